package secretsmanager

import (
	"context"
	"crypto/rand"
	"math/big"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/secretsmanagerapi"
	"github.com/lambkin-dev/lambkin/internal/core/secret"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// What passwords are made of (API reference of GetRandomPassword).
const (
	lowercase       = "abcdefghijklmnopqrstuvwxyz"
	uppercase       = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits          = "0123456789"
	punctuation     = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
	defaultPassword = 32
)

func (a *api) getRandomPassword(_ context.Context, _ *wire.Call, in *secretsmanagerapi.GetRandomPasswordRequest) (*secretsmanagerapi.GetRandomPasswordResponse, error) {
	length := defaultPassword
	if in.PasswordLength != nil {
		length = int(*in.PasswordLength)
	}
	var kinds []string
	for _, kind := range []struct {
		characters string
		used       bool
	}{{lowercase, !member.On(in.ExcludeLowercase)}, {uppercase, !member.On(in.ExcludeUppercase)}, {digits, !member.On(in.ExcludeNumbers)}, {punctuation, !member.On(in.ExcludePunctuation)}, {" ", member.On(in.IncludeSpace)}} {
		left := strings.Map(func(r rune) rune {
			if strings.ContainsRune(member.Text(in.ExcludeCharacters), r) {
				return -1
			}
			return r
		}, kind.characters)
		if kind.used && left != "" {
			kinds = append(kinds, left)
		}
	}
	each := in.RequireEachIncludedType == nil || *in.RequireEachIncludedType
	switch {
	case len(kinds) == 0:
		return nil, refuse(secret.InvalidParameter, "All possible characters have been excluded. Please review your exclusion flags.")
	case each && length < len(kinds):
		return nil, refuse(secret.InvalidParameter, "Password length too short based on the required types.")
	}
	password := make([]byte, 0, length)
	if each {
		for _, kind := range kinds {
			password = append(password, random(kind))
		}
	}
	for all := strings.Join(kinds, ""); len(password) < length; {
		password = append(password, random(all))
	}
	for i := len(password) - 1; i > 0; i-- { // those that had to come are not the first
		j := below(i + 1)
		password[i], password[j] = password[j], password[i]
	}
	made := string(password)
	return &secretsmanagerapi.GetRandomPasswordResponse{RandomPassword: &made}, nil
}

func random(from string) byte { return from[below(len(from))] }

func below(n int) int {
	chosen, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // the kernel's generator does not fail
	}
	return int(chosen.Int64())
}
