package supervise

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
)

// Child is this process as one that is supervised.
type Child struct {
	// Files are those of [Config.Files].
	Files []*os.File
	word  *os.File
}

// Inherit makes this process a child, if it was started by [Run] with so many
// files; else it returns nil. From then on the process ends at once when its
// parent has ended, and leaves interrupts to it.
func Inherit(files int) (*Child, error) {
	text, ok := os.LookupEnv(Variable)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(Variable); err != nil {
		return nil, err
	}
	if parent, err := strconv.Atoi(text); err != nil || parent != os.Getppid() {
		return nil, fmt.Errorf("%s is %q, and this process was started by %d\n  hint: leave that variable alone", Variable, text, os.Getppid())
	}
	signal.Ignore(os.Interrupt) // a terminal sends it to the parent, too
	c := &Child{word: inherited(wordFD)}
	for i := range files {
		c.Files = append(c.Files, inherited(filesFD+i))
	}
	life := inherited(lifeFD)
	go func() {
		_, _ = io.Copy(io.Discard, life) // nothing comes but the end
		os.Exit(orphaned)
	}()
	return c, nil
}

// orphaned is the exit status of a child whose parent has ended. Nobody sees it.
const orphaned = 3

// inherited is a file of the parent, which no child of this process gets.
func inherited(fd int) *os.File {
	keepFromChildren(fd)
	return os.NewFile(uintptr(fd), "inherited")
}

// Done tells the parent that this process ends on purpose.
func (c *Child) Done() error {
	if _, err := c.word.Write([]byte{1}); err != nil {
		return fmt.Errorf("tell the supervisor: %w", err)
	}
	return nil
}
