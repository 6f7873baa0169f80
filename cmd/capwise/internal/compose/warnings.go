package compose

import (
	"io"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
)

// warnings are what compose-go logs, by the logger of the whole program: they become
// notes, each once.
type warnings struct{ said []string }

// collect has the library log to w until done is called.
func (w *warnings) collect() (done func()) {
	logger := logrus.StandardLogger()
	out, formatter := logger.Out, logger.Formatter
	logger.SetOutput(io.Discard)
	logger.SetFormatter(w)
	return func() {
		logger.SetOutput(out)
		logger.SetFormatter(formatter)
	}
}

// Format implements [logrus.Formatter]: it keeps the entry. That version: is obsolete
// changes nothing.
func (w *warnings) Format(e *logrus.Entry) ([]byte, error) {
	if !strings.Contains(e.Message, "`version` is obsolete") && !slices.Contains(w.said, e.Message) {
		w.said = append(w.said, e.Message)
	}
	return nil, nil
}
