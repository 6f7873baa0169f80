package unit

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	errQuote  = errors.New("a quotation mark is not closed")
	errEscape = errors.New("an escape after \\ is unknown")
)

// splitWords splits a value at white space, with the quotation marks and escapes
// of systemd.syntax(7).
func splitWords(text string) ([]string, error) {
	var words []string
	for {
		text = strings.TrimLeft(text, " \t\n")
		if text == "" {
			return words, nil
		}
		word, rest, err := cutWord(text)
		if err != nil {
			return nil, err
		}
		words, text = append(words, word), rest
	}
}

// cutWord takes the first word off text.
func cutWord(text string) (word, rest string, err error) {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\':
			s, n, err := unescape(text[i+1:])
			if err != nil {
				return "", "", err
			}
			b.WriteString(s)
			i += n
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			return b.String(), text[i:], nil
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", "", errQuote
	}
	return b.String(), "", nil
}

// simpleEscapes is the escapes of one character. That of the semicolon keeps it
// from ending a command.
var simpleEscapes = map[byte]string{
	'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
	'\\': `\`, '"': `"`, '\'': `'`, 's': " ", ';': ";",
}

// unescape reads what follows a backslash, and how long it is.
func unescape(text string) (s string, n int, err error) {
	if text == "" {
		return "", 0, errEscape
	}
	if s, ok := simpleEscapes[text[0]]; ok {
		return s, 1, nil
	}
	switch c := text[0]; {
	case c == 'x':
		return escapedNumber(text, 1, 2, 16)
	case c == 'u':
		return escapedNumber(text, 1, 4, 16)
	case c == 'U':
		return escapedNumber(text, 1, 8, 16)
	case c >= '0' && c <= '7':
		return escapedNumber(text, 0, 3, 8)
	default:
		return "", 0, errEscape
	}
}

// escapedNumber reads digits at an offset: a byte, or for u and U a rune.
func escapedNumber(text string, offset, digits, base int) (s string, n int, err error) {
	if len(text) < offset+digits {
		return "", 0, errEscape
	}
	number, err := strconv.ParseUint(text[offset:offset+digits], base, 32)
	if err != nil || number == 0 {
		return "", 0, errEscape // a program's argument holds no zero byte
	}
	if digits > 3 {
		return string(utf8.AppendRune(nil, rune(number))), offset + digits, nil
	}
	if number > 0xff {
		return "", 0, errEscape
	}
	return string([]byte{byte(number)}), offset + digits, nil
}
