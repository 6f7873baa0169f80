// Package lookup looks up what a program start asks for by name: whom it runs as,
// in /etc/passwd, and what it executes, in the search path. It follows what
// executes another program (scripts, binfmt_misc, tini, sh -c and the like) to the
// one that listens.
package lookup

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/scenario"
)

// Given is what the reader says, and thereby overrides what is found.
type Given struct {
	// FileCaps is the capabilities of the program's file, nil if not said.
	FileCaps *filecap.Caps
	// Listens replaces the addresses found, if there are any.
	Listens []scenario.Listen
	// Awareness is "" if not said.
	Awareness scenario.Awareness
}

// Resolve looks up what s asks for by name: the user, the program with all that
// is executed before it, and the ports. files is nil where there is no file
// system to look in. What cannot be found, and would keep the runtime from
// starting the program, becomes s.Refused; what can only be guessed, a note.
func Resolve(s *scenario.Start, files scenario.Files, image scenario.ImageConfig, given Given) {
	if s.Request.WorkDir != "" {
		image.WorkDir = s.Request.WorkDir
	}
	r := resolver{start: s, files: files, image: image, given: given}
	if files != nil {
		r.users = readAccounts(files)
	}
	r.user()
	r.program()
	r.listens()
	r.awareness()
}

type resolver struct {
	start *scenario.Start
	files scenario.Files
	users accounts
	image scenario.ImageConfig
	given Given
}

func (r *resolver) refuse(cause scenario.Cause, format string, args ...any) {
	if r.start.Refused == nil {
		r.start.Refused = &scenario.Refusal{Cause: cause, Reason: fmt.Sprintf(format, args...)}
	}
}

// user completes the ids of the settings.
func (r *resolver) user() {
	s := r.start
	if s.Request.UserOfHost {
		r.hostUser()
		return
	}
	user, group, hasGroup := strings.Cut(s.Request.User, ":")
	imageUser, imageGroup, imageHasGroup := strings.Cut(r.image.User, ":")
	if user == "" {
		user = imageUser
		r.refuseName(user)
	}
	if s.Request.User == "" {
		group, hasGroup = imageGroup, imageHasGroup
	}
	if user != "" {
		a, err := r.lookUp(user)
		if err != nil {
			r.refuse(scenario.CauseUnknownUser, "%v", err)
		}
		s.Settings.UID, s.Settings.GID = a.uid, a.gid
	}
	if hasGroup {
		gid, err := r.users.groupID(group)
		if err != nil && r.files != nil {
			r.refuse(scenario.CauseUnknownUser, "%v", err)
		}
		s.Settings.GID = gid
	}
	for _, g := range s.Request.Groups {
		if gid, err := r.users.groupID(g); err == nil {
			s.Settings.Groups = append(s.Settings.Groups, gid)
		}
	}
	if s.Request.NonRoot && s.Settings.UID == 0 {
		r.refuse(scenario.CauseRunAsNonRoot, "runAsNonRoot is set, and the program would run as root")
	}
}

// refuseName is kubelet's refusal to take a name of the image for a user other
// than root, since it does not look it up.
func (r *resolver) refuseName(user string) {
	if _, err := strconv.ParseUint(user, 10, 32); r.start.Request.NonRoot && user != "" && err != nil {
		r.refuse(scenario.CauseRunAsNonRoot, "runAsNonRoot is set, and the image has the user %s by name, which kubelet does not look up", user)
	}
}

// somebody stands for a user whose number is not known, but who is not root.
const somebody = 65532

func (r *resolver) lookUp(user string) (account, error) {
	if r.files != nil {
		return r.users.user(user)
	}
	if n, err := strconv.ParseUint(user, 10, 32); err == nil {
		return account{uid: uint32(n)}, nil
	}
	if user == "root" {
		return account{}, nil
	}
	r.start.Note(fmt.Sprintf("user %q: the number is not known without the image; assuming a user other than root", user))
	return account{somebody, somebody}, nil
}

// program finds what is executed.
func (r *resolver) program() {
	s := r.start
	entrypoint, args := s.Request.Entrypoint, s.Request.Args
	if entrypoint == nil {
		entrypoint = r.image.Entrypoint
		if args == nil {
			args = r.image.Cmd
		}
	}
	s.Program.Args = append(append([]string(nil), entrypoint...), args...)
	if len(s.Program.Chain) > 0 { // a source that knows it already
		r.useFileCaps()
		return
	}
	if r.files != nil && len(s.Program.Args) > 0 {
		w := walk{resolver: r, search: r.search()}
		if s.Request.Init {
			s.Program.Chain = append(s.Program.Chain, scenario.Step{Path: "/sbin/docker-init"})
		}
		if err := w.execute(s.Program.Args, 0); err != nil {
			r.refuseProgram(s.Program.Args[0], err)
		}
	}
	r.unknownProgram()
	r.useFileCaps()
}

func (r *resolver) search() string {
	switch {
	case r.start.Request.Path != "":
		return r.start.Request.Path
	case r.image.Path != "":
		return r.image.Path
	default:
		return DefaultPath
	}
}

func (r *resolver) refuseProgram(name string, err error) {
	switch {
	case errors.Is(err, fs.ErrPermission):
		r.refuse(scenario.CauseNotExecutable, "%s in %s is not executable", name, r.files)
	case errors.Is(err, errNotFound), errors.Is(err, fs.ErrNotExist):
		r.refuse(scenario.CauseNotFound, "%s is not in %s", name, r.files)
	default:
		r.start.Note(fmt.Sprintf("%s in %s: %v", name, r.files, err))
	}
}

// unknownProgram stands in where there is nothing to look the program up in.
func (r *resolver) unknownProgram() {
	s := r.start
	if len(s.Program.Chain) > 0 || r.start.Refused != nil {
		return
	}
	name := s.Request.Image
	if len(s.Program.Args) > 0 {
		name = s.Program.Args[0]
	}
	s.Program.Chain = []scenario.Step{{Path: name}}
	if s.Request.Init {
		s.Program.Chain = []scenario.Step{{Path: "/sbin/docker-init"}, {Path: name}}
	}
	if r.given.FileCaps == nil {
		s.Program.Unknown = true
		s.Note("it is not known what the image executes; assuming a file without capabilities; use --image or --file-caps")
	}
}

func (r *resolver) useFileCaps() {
	s := r.start
	if r.given.FileCaps == nil || len(s.Program.Chain) == 0 {
		return
	}
	last := s.Program.Last()
	last.File.Caps, last.File.Malformed, last.File.Foreign = *r.given.FileCaps, false, false
}

// listens completes the addresses.
func (r *resolver) listens() {
	s := r.start
	if len(r.given.Listens) > 0 {
		s.Listens = r.given.Listens
		return
	}
	for _, e := range r.image.Exposed {
		l, err := scenario.ParseExposed(e)
		if err != nil {
			s.Note(fmt.Sprintf("EXPOSE %q of the image: %v", e, err))
			continue
		}
		l.From = "EXPOSE of the image"
		s.AddListen(l)
	}
}

// awareness says whether the program raises by itself: as the reader says, or
// else by the file, which carries a merely permitted capability only for a
// program that raises it.
func (r *resolver) awareness() {
	p := &r.start.Program
	switch {
	case r.given.Awareness != "":
		p.Awareness = r.given.Awareness
	case p.Awareness != "" || len(p.Chain) == 0:
	case p.Last().File.Caps.Permitted.Has(capset.NetBindService) && !p.Last().File.Caps.Effective:
		p.Awareness = scenario.Aware
	default:
		p.Awareness = scenario.Dumb
	}
}
