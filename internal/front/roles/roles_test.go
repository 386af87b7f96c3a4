package roles

import (
	"context"
	"errors"
	"testing"
)

func TestWhoseRoleAnAPIActsBy(t *testing.T) {
	trusting := &Roles{Assume: func(_ context.Context, roleARN string) (bool, error) {
		return roleARN == "arn:aws:iam::111122223333:role/team/trusts", nil
	}}
	for _, c := range []struct {
		roles *Roles
		role  string
		want  error
	}{
		{&Roles{}, "arn:aws:iam::111122223333:role/team/any", nil},
		{trusting, "arn:aws:iam::111122223333:role/team/trusts", nil},
		{trusting, "arn:aws:iam::111122223333:role/team/any", ErrNoTrust},
		{&Roles{}, "arn:aws:iam::444455556666:role/r", ErrNoTrust},
		{&Roles{}, "arn:aws:iam::111122223333:user/u", ErrNoRole},
		{&Roles{}, "arn:aws:sqs:eu-west-1:111122223333:role/r", ErrNoRole},
		{&Roles{}, "", ErrNoRole},
	} {
		who, err := c.roles.Identity(t.Context(), "111122223333", c.role, "eu-west-1")
		if !errors.Is(err, c.want) || err == nil && (who.Account != "111122223333" || who.Region != "eu-west-1") {
			t.Errorf("%s: %+v, %v, want %v", c.role, who, err, c.want)
		}
		if name := c.role[max(0, len(c.role)-3):]; err == nil && who.CallerARN != map[string]string{
			"any": "arn:aws:sts::111122223333:assumed-role/any/BackplaneAssumeRoleSession", "sts": "arn:aws:sts::111122223333:assumed-role/trusts/BackplaneAssumeRoleSession"}[name] {
			t.Error(who.CallerARN)
		}
	}
}
