package crash

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// identities makes users with a policy and access keys, changes the policies, and
// makes and deletes keys. A policy that was acknowledged last must be there; a key
// that was handed out must sign, one whose deletion was acknowledged must not.
type identities struct {
	random *rand.Rand
	serial int
	users  [identityUsers]identityUser
}

const (
	identityUsers   = 3
	keysOfAUser     = 2
	policyDocument  = `{"Version":"2012-10-17","Statement":{"Sid":"r%d","Effect":"Allow","Action":"sqs:*","Resource":"*"}}`
	identityRequest = "application/x-www-form-urlencoded"
)

type identityUser struct {
	made    bool
	policy  []int // what its revision may be; one: it must
	keys    map[string]string
	unknown bool     // a key may have been made that nobody was told of
	leaving string   // a key whose deletion nobody acknowledged
	gone    []string // keys whose deletion was
}

func identityName(n int) string { return fmt.Sprintf("crash-u%d", n) }

// iam makes a call of the query protocol, as the configured key or another.
func (c client) iam(ctx context.Context, service string, key aws.Credentials, form url.Values, out any) error {
	form.Set("Version", map[string]string{"cloudformation": "2010-05-15", "iam": "2010-05-08", "sts": "2011-06-15"}[service])
	request, err := platform.SignAs(ctx, key, service, http.MethodPost, "http://"+c.server.Address+"/", http.Header{"Content-Type": {identityRequest}}, []byte(form.Encode()))
	if err != nil {
		return err
	}
	reply, err := platform.Send(request)
	switch {
	case err != nil:
		return &downError{err}
	case reply.Status >= http.StatusMultipleChoices:
		return &statusError{reply.Status, fmt.Sprintf("%s: %s", form.Get("Action"), reply.Body)}
	case out == nil:
		return nil
	}
	return xml.Unmarshal(reply.Body, out)
}

func (i *identities) write(ctx context.Context, c client) error {
	n := i.random.IntN(identityUsers)
	u := &i.users[n]
	name := url.Values{"UserName": {identityName(n)}}
	switch action := i.random.IntN(4); {
	case !u.made:
		name.Set("Action", "CreateUser")
		err := c.iam(ctx, "iam", platform.Key, name, nil)
		var status *statusError
		if errors.As(err, &status) && status.status == http.StatusConflict {
			err = nil // it was made by the call that nobody acknowledged
		}
		if u.made = err == nil; u.made {
			u.policy, u.keys = []int{0}, map[string]string{}
		}
		return err
	case action == 0 && len(u.keys) > 0 && u.leaving == "":
		return i.deleteKey(ctx, c, u, name)
	case action == 1 && len(u.keys) < keysOfAUser && !u.unknown && u.leaving == "":
		return i.createKey(ctx, c, u, name)
	}
	i.serial++
	name.Set("Action", "PutUserPolicy")
	name.Set("PolicyName", "p")
	name.Set("PolicyDocument", fmt.Sprintf(policyDocument, i.serial))
	err := c.iam(ctx, "iam", platform.Key, name, nil)
	switch {
	case isDown(err):
		u.policy = append(u.policy, i.serial)
	case err == nil:
		u.policy = []int{i.serial}
	}
	return err
}

func (i *identities) createKey(ctx context.Context, c client, u *identityUser, form url.Values) error {
	var made struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	form.Set("Action", "CreateAccessKey")
	err := c.iam(ctx, "iam", platform.Key, form, &made)
	u.unknown = isDown(err)
	if err == nil {
		u.keys[made.ID] = made.Secret
	}
	return err
}

func (i *identities) deleteKey(ctx context.Context, c client, u *identityUser, form url.Values) error {
	id := slices.Min(slices.Collect(maps.Keys(u.keys)))
	form.Set("Action", "DeleteAccessKey")
	form.Set("AccessKeyId", id)
	err := c.iam(ctx, "iam", platform.Key, form, nil)
	switch {
	case isDown(err):
		u.leaving = id
	case err == nil:
		u.gone = append(u.gone, id)
		delete(u.keys, id)
	}
	return err
}

// check compares policies and keys, and settles what nobody knew.
func (i *identities) check(ctx context.Context, c client) error {
	for n := range i.users {
		if u := &i.users[n]; u.made {
			if err := errors.Join(u.checkPolicy(ctx, c, identityName(n)), u.checkKeys(ctx, c, identityName(n))); err != nil {
				return fmt.Errorf("user %s: %w", identityName(n), err)
			}
		}
	}
	return nil
}

func (u *identityUser) checkPolicy(ctx context.Context, c client, name string) error {
	var shown struct {
		Document string `xml:"GetUserPolicyResult>PolicyDocument"`
	}
	err := c.iam(ctx, "iam", platform.Key, url.Values{"Action": {"GetUserPolicy"}, "UserName": {name}, "PolicyName": {"p"}}, &shown)
	if isAbsent(err) {
		shown.Document, err = url.QueryEscape(fmt.Sprintf(policyDocument, 0)), nil
	}
	if err != nil {
		return err
	}
	document, err := url.QueryUnescape(shown.Document)
	if err != nil {
		return err
	}
	for _, revision := range u.policy {
		if document == fmt.Sprintf(policyDocument, revision) {
			u.policy = []int{revision}
			return nil
		}
	}
	return fmt.Errorf("its policy is %s, it may be of %v", document, u.policy)
}

func (u *identityUser) checkKeys(ctx context.Context, c client, name string) error {
	var shown struct {
		IDs []string `xml:"ListAccessKeysResult>AccessKeyMetadata>member>AccessKeyId"`
	}
	if err := c.iam(ctx, "iam", platform.Key, url.Values{"Action": {"ListAccessKeys"}, "UserName": {name}}, &shown); err != nil {
		return err
	}
	there := map[string]bool{}
	for _, id := range shown.IDs {
		there[id] = true
		if u.keys[id] != "" {
			continue
		}
		if !u.unknown {
			return fmt.Errorf("it has the key %s, which it must not have", id)
		}
		if err := c.iam(ctx, "iam", platform.Key, url.Values{"Action": {"DeleteAccessKey"}, "UserName": {name}, "AccessKeyId": {id}}, nil); err != nil {
			return err
		}
	}
	u.unknown = false
	if u.leaving != "" && !there[u.leaving] {
		delete(u.keys, u.leaving)
	}
	u.leaving = ""
	for id, secret := range u.keys {
		var who struct {
			ARN string `xml:"GetCallerIdentityResult>Arn"`
		}
		err := c.iam(ctx, "sts", aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, url.Values{"Action": {"GetCallerIdentity"}}, &who)
		if err != nil || !strings.HasSuffix(who.ARN, ":user/"+name) {
			return fmt.Errorf("its key %s signs as %q: %w", id, who.ARN, err)
		}
	}
	for _, id := range u.gone {
		if there[id] {
			return fmt.Errorf("its key %s is there again", id)
		}
	}
	return nil
}
