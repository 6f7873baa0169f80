package scenario

// Unknown is a fact that neither the source nor what could be looked up says, and on
// which the answer may turn. A start is judged in each of its cases.
type Unknown struct {
	Fact Fact
	// What names it in a sentence, such as "the USER of its image".
	What string
	// Settle is how the reader says it, such as "--user, or --image".
	Settle string
	// Cases is what it may be: two or more. The start itself is as the first has it.
	Cases []Case
}

// Case is one thing that an unknown fact may be.
type Case struct {
	// If is one clause: "the USER of its image is root".
	If string
	// Set makes a start one of this case.
	Set func(*Start)
}

// Fact is the stable identifier of what is not known.
type Fact string

// The facts.
const (
	// FactImageUser is the USER of an image that could not be read.
	FactImageUser Fact = "image-user"
	// FactUser is whether a machine has a user, and with which number.
	FactUser Fact = "user"
	// FactFile is the capabilities of the program's file.
	FactFile Fact = "file-capabilities"
	// FactProgram is what a script, or the program of an image, executes at last.
	FactProgram Fact = "program"
	// FactRaises is whether the program raises the capabilities that it is permitted.
	FactRaises Fact = "raises"
	// FactRuntime is which runtime starts the program, and in which version.
	FactRuntime Fact = "runtime-version"
	// FactInstance is the instance of a template.
	FactInstance Fact = "instance"
	// FactHost is a setting of the machine that the program will run on.
	FactHost Fact = "host"
)

// Unsure adds a fact that is not known.
func (s *Start) Unsure(u Unknown) { s.Unknowns = append(s.Unknowns, u) }
