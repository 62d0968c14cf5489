// Command ipvm is responsible for words on a terminal: flags and documents in,
// results and messages out. What it does with them is in the packages below.
package main
