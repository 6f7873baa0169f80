// Package held reaches files of this machine by descriptors.
//
// A name may lead to another file at any time: whoever may write to a folder on the
// way can swap what lies in it. capwise runs as root on trees that others made, so
// it goes down from the root folder one name at a time, follows no link that it has
// not looked at, and keeps what it has found open. Reading, judging, changing the
// attribute, linking and renaming then concern that file, in that folder.
//
// [OpenFolder] and [Open] go the way and note who else could have led them
// elsewhere: [Folder.Exposed]. What they hold is opened with O_PATH first, so that
// a FIFO does not wait and a device does not start. The descriptors are used by
// their names under /proc/self/fd; without /proc everything fails, and says so.
package held

import "errors"

// ErrNotRegular says that there is something else than a regular file: a folder,
// a symbolic link, a FIFO, a socket or a device.
var ErrNotRegular = errors.New("not a regular file")

// ErrSwapped says that a name no longer leads to the file that was held by it.
var ErrSwapped = errors.New("another file has taken its place meanwhile")
