//go:build injected

package injected

// sysBind is 0: Go binds through socketcall(2), of which a filter sees no more
// than the number.
const sysBind = 0
