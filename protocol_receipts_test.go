package ipvm_test

import (
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// rememberedVector: a receipt and the limits of now → whether it answers.
func rememberedVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Kind, Trap, Schedule      string
		Gas, GasLimit, MemLimit   uint64
		NowGas, NowMem, ModuleMax uint64
	}
	read(t, in, &v)
	r := receipt.Receipt{Gas: v.Gas, Limits: task.Limits{Gas: v.GasLimit, Memory: v.MemLimit}, Schedule: "wasmtime-44"}
	if v.Kind != "ok" {
		r.Out.Failure = &task.Failure{Kind: task.Kind(v.Kind), Trap: v.Trap}
	}
	if v.Schedule == "" {
		v.Schedule = r.Schedule
	}
	return map[string]bool{
		"remembered": r.Remembered(),
		"answers":    r.Answers(task.Limits{Gas: v.NowGas, Memory: v.NowMem}, v.Schedule, v.ModuleMax),
	}
}

func receiptVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Key, Task      string
		OK             json.RawMessage
		Error          string
		Trap           string
		Value          json.RawMessage
		Gas, GasLimit  uint64
		Memory, Memlim uint64
	}
	read(t, in, &v)
	key, err := did.ParseMultibase(v.Key)
	if err != nil {
		t.Fatal(err)
	}
	link, err := ipld.ParseLink(v.Task)
	if err != nil {
		t.Fatal(err)
	}
	r := receipt.Receipt{
		Executor: key.DID(), Task: task.ID{Link: link}, Gas: v.Gas, Memory: v.Memory, HasMemory: v.Memory > 0,
		Limits: task.Limits{Gas: v.GasLimit, Memory: v.Memlim}, Schedule: "wasmtime-44",
	}
	if v.Error != "" {
		r.Out.Failure = &task.Failure{Kind: task.Kind(v.Error), Trap: v.Trap}
		if v.Value != nil {
			r.Out.Failure.Value = value(t, v.Value)
		}
	} else {
		r.Out.Value = value(t, v.OK)
	}
	signed, err := receipt.Issue(key, r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := receipt.Parse(signed.Bytes())
	if err == nil {
		err = again.Verify()
	}
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"cbor": hex.EncodeToString(signed.Bytes()), "link": signed.Link().Base58()}
}
