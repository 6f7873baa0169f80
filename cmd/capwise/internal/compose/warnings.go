package compose

import (
	"io"

	"github.com/sirupsen/logrus"

	"github.com/capwise/capwise/internal/printable"
)

// WarnTo makes compose-go, which logs for the whole program, write its warnings
// to w: a line each, without colours.
func WarnTo(w io.Writer) {
	logrus.SetOutput(w)
	logrus.SetFormatter(warning{})
}

// warning words a log entry.
type warning struct{}

// Format implements [logrus.Formatter].
func (warning) Format(e *logrus.Entry) ([]byte, error) {
	return []byte("capwise: compose file: " + printable.Line(e.Message) + "\n"), nil
}
