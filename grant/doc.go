// Package grant is responsible for what a principal says when it lets another
// run workflows: bounds in words that people use, as the policy of a UCAN
// delegation, and what is refused as too much for anybody to mean.
//
// The policy judges the arguments of an invocation of [RunCommand], a map of
//
//	workflow   link of the workflow
//	gas        the most that all jobs may use
//	memory     the most that a job may use, in bytes
//	time       the most that all jobs may take, one after the other, in nanoseconds
//	tasks      how many jobs it has, and handlers
//	functions  list of {mod: link or null, fun: text}
//	effects    list of {uri: text or null, do: text}
//
// where null stands for what is known only when a promise is kept. Any UCAN
// validator comes to the same verdict about them.
package grant
