// Package agent holds the two C programs that the checker needs: the agent,
// which takes on credentials and lets the kernel judge them, and the target,
// which the kernel executes. scripts/kernel-agent.sh compiles them.
package agent

import (
	"embed"
	"fmt"
)

//go:embed src
var src embed.FS

// Program returns the compiled program of the given name, "agent" or "target".
func Program(name string) ([]byte, error) {
	elf, err := src.ReadFile("src/" + name)
	if err != nil {
		return nil, fmt.Errorf("this checker was built without its C programs: run scripts/kernel-agent.sh, then build it again (%w)", err)
	}
	return elf, nil
}
