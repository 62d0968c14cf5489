//go:build !faults

package fault

// Enabled tells whether this build has fault points.
const Enabled = false

// Point marks a place at which a build with the tag "faults" can be killed.
func Point(string) {}

// Named tells whether a build with the tag "faults" is to fail at a place for a
// name.
func Named(string, string) bool { return false }
