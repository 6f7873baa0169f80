package patch

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"

	udiff "github.com/aymanbagabas/go-udiff"

	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// ofFile reports whether a change is one of the capabilities of the program's file.
func ofFile(c diagnose.Change) bool {
	switch c {
	case diagnose.FilePermitted, diagnose.FileStrip, diagnose.FileGrant, diagnose.FileGrantEffective:
		return true
	default:
		return false
	}
}

// fileChange gives the program's file the capabilities that it has in the changed start:
// by a Containerfile for an image, and else by a command.
func fileChange(known *Image, s, after *scenario.Start) (string, error) {
	last := s.Program.Last()
	switch {
	case last.Path == "" || !path.IsAbs(last.Path):
		return "", ByHand("on the program's file, whose path is not known")
	case last.File.Foreign:
		return "", ByHand("in the user namespace where the program runs")
	case s.Syntax == scenario.OCI:
		return "", ByHand("in the root file system of the bundle, by the command that it names")
	}
	setcap := []string{"setcap", "-r", last.Path}
	if file := after.Program.Last().File; file.HasCaps() {
		setcap[1] = capsText(&file)
	}
	switch s.Syntax {
	case scenario.Unit, scenario.SystemdRun, scenario.Host:
		setcap[2] = path.Join("/", s.Request.Root, last.Path)
		return line(append([]string{"sudo"}, setcap...)) + "\n", nil
	default:
		return containerfile(known, s, setcap)
	}
}

func capsText(file *law.File) string { return file.Caps.State().String() }

// imageName is a name that a Containerfile and a shell read as it stands, and that an
// image can be given: one without a digest.
var imageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:-]*$`)

// containerfile makes an image with the changed file, under the name of the one that it is
// made of: so the source may stay as it is. In the form of a list, RUN needs no shell.
func containerfile(known *Image, s *scenario.Start, setcap []string) (string, error) {
	name := s.Request.Image
	if !imageName.MatchString(name) {
		return "", ByHand("in the image, by the command that it names")
	}
	if known != nil {
		if known.Setcap == "" {
			return "", ByHand("where the image is built: it has no setcap")
		}
		setcap[0] = known.Setcap // wherever its PATH leads
	}
	command, err := json.Marshal(setcap)
	if err != nil {
		return "", err
	}
	builder := "docker"
	if s.Syntax == scenario.PodmanRun {
		builder = "podman"
	}
	text := fmt.Sprintf("# %s build --file=Containerfile --tag=%s .\n", builder, name)
	if setcap[0] == "setcap" {
		text += "# The image has to have setcap (package libcap or libcap2-bin).\n"
	}
	run := fmt.Sprintf("RUN %s\n", command)
	switch {
	case known != nil && isRoot(known.User):
		text += "FROM " + name + "\n" + run
	case known != nil && !userName.MatchString(known.User):
		return "", ByHand("where the image is built")
	case known != nil:
		text += "FROM " + name + "\nUSER root\n" + run + "USER " + known.User + "\n"
	case s.Request.User != "": // so that the image's own does not matter
		text += "# Its own USER, if it has one, has to be named again behind RUN.\nFROM " + name + "\nUSER root\n" + run
	default:
		return "", ByHand("where the image is built: its USER is not known (--image, --user)")
	}
	return udiff.Unified("/dev/null", "Containerfile", "", text), nil
}

func isRoot(user string) bool {
	switch user {
	case "", "0", "root", "0:0", "root:root":
		return true
	default:
		return false
	}
}

// userName is a USER that a Containerfile reads as it stands.
var userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._:-]*$`)
