// Package lookup looks up what a program start asks for by name: whom it runs as,
// in /etc/passwd, and what it executes, in the search path. It follows what
// executes another program (scripts, binfmt_misc, tini, sh -c and the like) to the
// one that listens.
package lookup

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/capwise/capwise/aware"
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
	// User is whom the image's program runs as, where neither the source nor a file says
	// so; "" if not said.
	User string
	// Scripts reads shell scripts. Without it, nobody knows what they execute.
	Scripts Scripts
}

// Scripts says what shell scripts execute at last.
type Scripts interface {
	// Endings returns the ways in which a script may end: none if that cannot be told.
	// args is its positional parameters, $0 first, and uid whom it runs as, nil if that
	// is not known.
	Endings(text string, args []string, uid *uint32) []Ending
}

// Ending is one way in which a shell script may end.
type Ending struct {
	// Args is what it executes then; nil if that cannot be told.
	Args []string
	// If is one clause, what is so then; "" if there is no other way.
	If string
}

// Resolve looks up what s asks for by name: the user, the program with all that
// is executed before it, and the ports. files is nil where there is no file
// system to look in. What cannot be found, and would keep the runtime from
// starting the program, becomes s.Refused; what nobody knows, one of s.Unknowns.
func Resolve(s *scenario.Start, files scenario.Files, image scenario.ImageConfig, given Given) {
	if s.Request.WorkDir != "" {
		image.WorkDir = s.Request.WorkDir
	}
	r := resolver{start: s, files: files, image: image, given: given, known: files != nil, looked: map[string]aware.Result{}}
	if files == nil {
		r.files = nowhere{}
	}
	r.users = readAccounts(r.files)
	if r.image.User == "" && !s.Request.UserOfHost {
		r.image.User = given.User
	}
	r.user()
	r.program()
	r.listens()
}

type resolver struct {
	start *scenario.Start
	files scenario.Files
	known bool // there are files
	users accounts
	image scenario.ImageConfig
	given Given
	// looked is what the programs' files tell, by path: reading one takes long.
	looked map[string]aware.Result
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
		if err != nil && r.known {
			r.refuse(scenario.CauseUnknownUser, "%v", err)
		}
		s.Settings.GID = gid
	}
	for _, g := range s.Request.Groups {
		if gid, err := r.users.groupID(g); err == nil {
			s.Settings.Groups = append(s.Settings.Groups, gid)
		}
	}
	switch {
	case user == "" && !r.known && s.Request.Image != "" && s.Running == nil:
		r.unsureOfUser(hasGroup)
	case s.Request.NonRoot && s.Settings.UID == 0:
		r.refuseRoot(s)
	}
}

// refuseRoot says that kubelet does not start a program that would be root.
func (r *resolver) refuseRoot(s *scenario.Start) {
	if s.Refused == nil {
		s.Refused = &scenario.Refusal{Cause: scenario.CauseRunAsNonRoot, Reason: "runAsNonRoot is set, and the program would run as root"}
	}
}

// refuseName says of the image's user that kubelet knows it by number alone.
func (r *resolver) refuseName(user string) {
	if _, err := strconv.ParseUint(user, 10, 32); r.start.Request.NonRoot && user != "" && err != nil {
		r.refuse(scenario.CauseRunAsNonRoot, "runAsNonRoot is set, and the image has the user %s by name, which kubelet does not look up", user)
	}
}

// unsureOfUser is for an image whose USER is not known. Where kubelet refuses root, it
// refuses a name, too.
func (r *resolver) unsureOfUser(hasGroup bool) {
	as := func(uid uint32) func(*scenario.Start) {
		return func(s *scenario.Start) {
			s.Settings.UID, s.Settings.Somebody = uid, uid == somebody
			if !hasGroup {
				s.Settings.GID = uid
			}
		}
	}
	u := scenario.Unknown{Fact: scenario.FactImageUser, What: "the USER of its image", Settle: "--user, or --image"}
	if r.start.Request.NonRoot {
		u.Cases = []scenario.Case{
			{If: "the USER of its image is a number other than 0", Set: as(somebody)},
			{If: "its image has no USER, or root", Set: func(s *scenario.Start) { as(0)(s); r.refuseRoot(s) }},
			{If: "the USER of its image is a name", Set: func(s *scenario.Start) {
				as(somebody)(s)
				if s.Refused == nil {
					s.Refused = &scenario.Refusal{Cause: scenario.CauseRunAsNonRoot, Reason: "runAsNonRoot is set, and kubelet does not look up users by name"}
				}
			}},
		}
	} else {
		u.Cases = []scenario.Case{
			{If: "its image has no USER, or root", Set: as(0)},
			{If: "the USER of its image is another than root", Set: as(somebody)},
		}
	}
	u.Cases[0].Set(r.start)
	r.start.Unsure(u)
}

// somebody stands for a user whose number is not known, but who is not root.
const somebody = 65532

func (r *resolver) lookUp(user string) (account, error) {
	if r.known {
		return r.users.user(user)
	}
	if n, err := strconv.ParseUint(user, 10, 32); err == nil {
		return account{uid: uint32(n)}, nil
	}
	if user == "root" {
		return account{}, nil
	}
	r.start.Note(fmt.Sprintf("user %q: the number is not known without the image; assuming a user other than root", user))
	r.start.Settings.Somebody = true
	return account{somebody, somebody}, nil
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

// listens completes the addresses.
func (r *resolver) listens() {
	s := r.start
	if len(r.given.Listens) > 0 {
		s.Listens = r.given.Listens
		return
	}
	if len(s.Listens) > 0 { // what the source names is what it uses
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
