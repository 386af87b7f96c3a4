package ids

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
)

type tokenKey struct{}

// WithToken is for a call that may be made twice, because who makes it can die
// before it has written what came of it: what the call makes gets an id that follows
// from the token (Short), by which the second try finds it.
func WithToken(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, tokenKey{}, token)
}

// Token is that of the call; "" if it has none.
func Token(ctx context.Context) string {
	token, _ := ctx.Value(tokenKey{}).(string)
	return token
}

// UUIDOf is UUID, or that of the call's token.
func UUIDOf(ctx context.Context) string {
	token := Token(ctx)
	if token == "" {
		return UUID()
	}
	sum := sha256.Sum256([]byte(token))
	return uuid([16]byte(sum[:16]))
}

// MaxShort is the longest id that Short makes.
const MaxShort = sha256.Size

// Short makes an id of small letters and digits: a random one, or that of the
// call's token.
func Short(ctx context.Context, length int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	var bytes [MaxShort]byte
	if token := Token(ctx); token != "" {
		bytes = sha256.Sum256([]byte(token))
	} else {
		rand.Read(bytes[:]) // never fails
	}
	for i, b := range bytes {
		bytes[i] = letters[int(b)%len(letters)]
	}
	return string(bytes[:length])
}
