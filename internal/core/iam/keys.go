package iam

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// The states of access keys.
const (
	Active   = "Active"
	Inactive = "Inactive"
)

// Key is an access key without its secret.
type Key struct {
	ID      string `json:"-"`
	Account string
	UserID  string
	Status  string
	Created time.Time
	Sealed  []byte // the secret
}

// keyPrefix and keyLetters make the form of an access key's id.
const (
	keyPrefix  = "AKIA"
	keyLetters = 16
)

// secretBytes are 40 characters of base64.
const secretBytes = 30

// keyKey is not below an account: an id is one of a kind everywhere.
func keyKey(id string) []byte { return tuple.Key("iam", "key", id) }

// Use is when and for what a key was used last.
type Use struct {
	At              time.Time
	Service, Region string
}

func useKey(id string) []byte { return tuple.Key("iam", "use", id) }

// useGrain is how exact Use is: more often nothing is written.
const useGrain = 15 * time.Minute

// CreateKey makes an access key of a user; its secret is shown this once.
func (i *IAM) CreateKey(ctx context.Context, account, user string) (key *Key, secret string, err error) {
	var random [secretBytes]byte
	rand.Read(random[:]) // never fails
	secret = base64.StdEncoding.EncodeToString(random[:])
	id := keyPrefix + strings.ToUpper(ids.Short(ctx, keyLetters))
	err = i.change(ctx, account, func(t *transaction) error {
		u, err := t.find(User, user)
		if err != nil {
			return err
		}
		others, err := t.links(owner, u.ID)
		if err != nil {
			return err
		}
		if len(others) >= MaxKeys {
			return fail(LimitExceeded, "Cannot exceed quota for AccessKeysPerUser: %d", MaxKeys)
		}
		key = &Key{ID: id, Account: account, UserID: u.ID, Status: Active, Created: i.now()}
		key.Sealed = i.sealer.Seal([]byte(secret), key.ID)
		t.batch.Checks = append(t.batch.Checks, store.Absent(keyKey(key.ID)))
		t.link(owner, u.ID, key.ID)
		if err := t.put(keyKey(key.ID), key); err != nil {
			return err
		}
		return t.save(u)
	})
	return key, secret, err
}

// readKey reads a key of a user.
func (t *transaction) readKey(user, id string) (*Key, *Entity, error) {
	u, err := t.find(User, user)
	if err != nil {
		return nil, nil, err
	}
	key := &Key{ID: id}
	found, err := t.read(keyKey(id), key)
	if err == nil && (!found || key.Account != t.account || key.UserID != u.ID) {
		err = fail(NoSuchEntity, "The Access Key with id %s cannot be found.", id)
	}
	return key, u, err
}

// KeysOf are the access keys of a user, the oldest first.
func (i *IAM) KeysOf(ctx context.Context, account, user string) (u *Entity, keys []*Key, err error) {
	err = i.view(ctx, account, func(t *transaction) error {
		if u, err = t.find(User, user); err != nil {
			return err
		}
		ids, err := t.links(owner, u.ID)
		for _, id := range ids {
			key := &Key{ID: id}
			if _, err := t.read(keyKey(id), key); err != nil {
				return err
			}
			keys = append(keys, key)
		}
		return err
	})
	slices.SortFunc(keys, func(a, b *Key) int {
		if by := a.Created.Compare(b.Created); by != 0 {
			return by
		}
		return strings.Compare(a.ID, b.ID)
	})
	return u, keys, err
}

// SetKeyStatus makes a key Active or Inactive.
func (i *IAM) SetKeyStatus(ctx context.Context, account, user, id, status string) error {
	return i.change(ctx, account, func(t *transaction) error {
		key, _, err := t.readKey(user, id)
		if err != nil {
			return err
		}
		key.Status = status
		return t.put(keyKey(id), key)
	})
}

// DeleteKey removes a key: it authenticates no more.
func (i *IAM) DeleteKey(ctx context.Context, account, user, id string) error {
	return i.change(ctx, account, func(t *transaction) error {
		_, u, err := t.readKey(user, id)
		if err != nil {
			return err
		}
		t.unlink(owner, u.ID, id)
		t.remove(keyKey(id))
		t.remove(useKey(id))
		return nil
	})
}

// LastUse is whose key it is, and when it was used: Use is zero if never.
func (i *IAM) LastUse(ctx context.Context, account, id string) (u *Entity, use Use, err error) {
	err = i.view(ctx, account, func(t *transaction) error {
		key := &Key{ID: id}
		found, err := t.read(keyKey(id), key)
		if err == nil && (!found || key.Account != account) {
			err = fail(NoSuchEntity, "The Access Key with id %s cannot be found.", id)
		}
		if err != nil {
			return err
		}
		if _, err := t.read(useKey(id), &use); err != nil {
			return err
		}
		u, err = t.byID(key.UserID)
		return err
	})
	return u, use, err
}

// isKeyID tells whether an access key may be one of ours, by its form.
func isKeyID(id string) bool {
	return len(id) == len(keyPrefix)+keyLetters && strings.HasPrefix(id, keyPrefix)
}

// Lookup finds the identity of an access key, for identity.Config.Stored. It
// reads the store each time, so that a key that was deleted or made inactive is
// refused at once.
func (i *IAM) Lookup(id string) (identity.Key, bool, error) {
	if !isKeyID(id) {
		return identity.Key{}, false, nil
	}
	var key Key
	var u *Entity
	found := false
	ctx := context.Background() // the store is on this machine: nothing to wait for
	err := i.view(ctx, "", func(t *transaction) (err error) {
		if found, err = t.read(keyKey(id), &key); err != nil || !found {
			return err
		}
		t.account = key.Account
		u, err = t.byID(key.UserID)
		return err
	})
	if err != nil || !found {
		return identity.Key{}, false, err
	}
	if key.Status != Active {
		return identity.Key{}, false, identity.ErrUnknownKey
	}
	secret, err := i.sealer.Open(key.Sealed, id)
	return identity.Key{AccessKeyID: id, Secret: string(secret), Account: key.Account, ARN: u.ARN(), UserID: u.ID}, true, err
}

// Used keeps that a key was used, if it is one of ours. Losing it to a power
// loss does no harm.
func (i *IAM) Used(id, service, region string) error {
	if !isKeyID(id) {
		return nil
	}
	ctx := context.Background()
	return i.change(ctx, "", func(t *transaction) error {
		var key Key
		found, err := t.read(keyKey(id), &key)
		if err != nil || !found {
			return err
		}
		var last Use
		if _, err := t.read(useKey(id), &last); err != nil {
			return err
		}
		now := i.now()
		if now.Sub(last.At) < useGrain {
			return nil
		}
		t.batch.Durability = store.Relaxed
		return t.put(useKey(id), Use{now, service, region})
	})
}

// aliasKey is the name of an account, and the other way.
func aliasKey(account string) []byte { return tuple.Key("iam", "alias", account) }
func aliasOf(alias string) []byte    { return tuple.Key("iam", "alias of", alias) }

// SetAlias gives an account a name of its own, in place of the one before.
func (i *IAM) SetAlias(ctx context.Context, account, alias string) error {
	return i.change(ctx, account, func(t *transaction) error {
		var holder, before string
		taken, err := t.read(aliasOf(alias), &holder)
		if err != nil {
			return err
		}
		if taken && holder != account {
			return fail(AlreadyExists, "The account alias %s already exists.", alias)
		}
		if found, err := t.read(aliasKey(account), &before); err != nil {
			return err
		} else if found && before != alias {
			t.remove(aliasOf(before))
		}
		if err := t.put(aliasOf(alias), account); err != nil {
			return err
		}
		return t.put(aliasKey(account), alias)
	})
}

// Alias is the account's name, "" if it has none.
func (i *IAM) Alias(ctx context.Context, account string) (alias string, err error) {
	err = i.view(ctx, account, func(t *transaction) error {
		_, err := t.read(aliasKey(account), &alias)
		return err
	})
	return alias, err
}

// DeleteAlias takes the account's name away.
func (i *IAM) DeleteAlias(ctx context.Context, account, alias string) error {
	return i.change(ctx, account, func(t *transaction) error {
		var has string
		found, err := t.read(aliasKey(account), &has)
		if err == nil && (!found || has != alias) {
			err = fail(NoSuchEntity, "The account alias %s cannot be found.", alias)
		}
		if err != nil {
			return err
		}
		t.remove(aliasKey(account))
		t.remove(aliasOf(alias))
		return nil
	})
}

// Summary is what an account has, and its quotas, as GetAccountSummary names them.
func (i *IAM) Summary(ctx context.Context, account string) (map[string]int32, error) {
	summary := map[string]int32{
		"AccessKeysPerUserQuota": MaxKeys, "GroupsPerUserQuota": MaxGroupsOfUser, "VersionsPerPolicyQuota": MaxVersions,
		"AttachedPoliciesPerGroupQuota": MaxAttached, "AttachedPoliciesPerRoleQuota": MaxAttached, "AttachedPoliciesPerUserQuota": MaxAttached,
		"PolicySizeQuota": MaxPolicyBytes, "AssumeRolePolicySizeQuota": MaxTrustCharacters, "PoliciesQuota": MaxPolicies,
		"UserPolicySizeQuota": int32(kinds[User].inlineBytes), "GroupPolicySizeQuota": int32(kinds[Group].inlineBytes), "RolePolicySizeQuota": int32(kinds[Role].inlineBytes),
	}
	err := i.view(ctx, account, func(t *transaction) error {
		for k, kind := range kinds {
			count, err := t.count("iam", "entity", account, string(k))
			if err != nil {
				return err
			}
			summary[kind.quota], summary[kind.quota+"Quota"] = int32(count), int32(kind.most)
		}
		count, err := t.count("iam", "policy", account)
		summary["Policies"] = int32(count)
		return err
	})
	return summary, err
}
