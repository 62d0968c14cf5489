// Package fault is responsible for named places at which a test can kill the
// process, to prove that nothing acknowledged is lost.
//
// [Point] marks such a place. Without the build tag "faults" it is an empty
// function that the compiler removes. With the tag, the environment variable
// IPVM_FAULT="name:n" makes the n-th pass (from 1) of the named point send
// SIGKILL to the own process; "name" alone means "name:1", and several are
// separated by commas. A name that no code passes has no effect. What can go wrong
// at a place otherwise asks [Named]: IPVM_FAULT="place=name".
package fault
