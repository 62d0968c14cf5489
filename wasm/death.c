//go:build cgo

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

/* The call that this thread is in says here where it wants its death noted. Signals of our own doing come to the thread that
   did it: that of the call. */
__attribute__((tls_model("initial-exec"))) _Thread_local uint32_t *ipvm_died;

static const int deadly[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
enum { DEADLY = sizeof deadly / sizeof deadly[0] };
static struct sigaction before[DEADLY];

/* What reaches this is no trap of a guest: those are the engine's, which comes first. Only what a signal handler may do is
   done here. */
static void on_death(int sig, siginfo_t *info, void *context) {
  bool own = sig == SIGABRT ? info->si_pid == getpid() : info->si_code > 0; /* sent by nobody else */
  if (own && ipvm_died != NULL) *(volatile uint32_t *)ipvm_died = (uint32_t)sig;
  for (int i = 0; i < DEADLY; i++) {
    if (deadly[i] != sig) continue;
    if (before[i].sa_flags & SA_SIGINFO)
      before[i].sa_sigaction(sig, info, context);
    else if (before[i].sa_handler != SIG_DFL && before[i].sa_handler != SIG_IGN)
      before[i].sa_handler(sig);
    else
      sigaction(sig, &before[i], NULL); /* and what did it does it again */
  }
}

static void watch(void) {
  struct sigaction a = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
  a.sa_sigaction = on_death;
  sigfillset(&a.sa_mask);
  for (int i = 0; i < DEADLY; i++) sigaction(deadly[i], &a, &before[i]);
}

void ipvm_watch_deaths(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch);
}

#ifdef IPVM_FAULTS
/* Uses a function of no store, at which the engine panics: it is Rust that aborts the process. */
void ipvm_break(ipvm_call *c) {
  wasmtime_func_t f = {.store_id = 1};
  wasmtime_val_raw_t v[1];
  wasm_trap_t *trap = NULL;
  if (c->broken) wasmtime_func_call_unchecked(c->ctx, &f, v, 0, &trap);
}
#endif
