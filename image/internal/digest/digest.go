// Package digest checks content against digests such as "sha256:" and 64 digits.
package digest

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// New returns the hash that a digest is of.
func New(digest string) (hash.Hash, error) {
	switch algorithm, _, _ := strings.Cut(digest, ":"); algorithm {
	case "sha256":
		return sha256.New(), nil
	case "sha512":
		return sha512.New(), nil
	}
	return nil, fmt.Errorf("digest %.150q: want one of sha256 or sha512", digest)
}

// Mismatch returns the digest of what was written to the hash, if it differs from the
// one that is wanted, and "" otherwise.
func Mismatch(want string, h hash.Hash) string {
	algorithm, _, _ := strings.Cut(want, ":")
	if got := algorithm + ":" + hex.EncodeToString(h.Sum(nil)); got != want {
		return got
	}
	return ""
}
