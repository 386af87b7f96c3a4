package function

import (
	"context"
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// concurrencyRow is the reservation of one function.
type concurrencyRow struct{ Reserved int }

// guardRow is written with every change of a claim in a scope, so that their sum
// can be held to the limit.
type guardRow struct{ Reserved int }

// minUnreserved is what AWS keeps for functions without a reservation.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
const minUnreserved = 100

func (r *Registry) concurrencyLimit() int {
	if r.config.Concurrency > 0 {
		return r.config.Concurrency
	}
	return limit.AccountInFlight
}

// claim is what one function takes out of the concurrency of its account.
type claim struct {
	reserved    *int // nil: unreserved
	provisioned int  // sum of its configurations
}

// size of the claim. Provisioned concurrency is a part of the reservation where
// there is one.
// https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
func (c claim) size() int {
	if c.reserved != nil {
		return *c.reserved
	}
	return c.provisioned
}

// claim reads the claim of the target's function.
func (rd reader) claim(t Target) (claim, error) {
	reserved, err := rd.reserved(t)
	if err != nil {
		return claim{}, err
	}
	settings, err := rd.provisionedOf(t)
	total := 0
	for _, s := range settings {
		total += s.Requested
	}
	return claim{reserved: reserved, provisioned: total}, err
}

// claimed reads the sum of all claims of a scope.
func (c *change) claimed(s Scope) (int, error) {
	var sum guardRow
	_, err := c.get(scopeKey(tableConcurrencyGuard, s), &sum)
	return sum.Reserved, err
}

// reclaim replaces a function's claim in the sum.
func (c *change) reclaim(s Scope, sum int, old, now claim) {
	c.put(scopeKey(tableConcurrencyGuard, s), guardRow{Reserved: sum - old.size() + now.size()})
}

// reserved reads the reservation of the target's function.
func (rd reader) reserved(t Target) (*int, error) {
	var row concurrencyRow
	found, err := rd.read(scopeKey(tableConcurrency, t.Scope, t.Name), &row)
	if err != nil || !found {
		return nil, err
	}
	return &row.Reserved, nil
}

// reserve sets a reservation, nil for none, and keeps the sum. The caller writes
// the function's row, which guards what is read here.
func (c *change) reserve(t Target, reserved *int, total int) error {
	old, err := c.claim(t)
	if err != nil {
		return err
	}
	sum, err := c.claimed(t.Scope)
	if err != nil {
		return err
	}
	now := claim{reserved: reserved, provisioned: old.provisioned}
	switch {
	case reserved == nil:
		c.delete(scopeKey(tableConcurrency, t.Scope, t.Name))
	case *reserved < old.provisioned:
		// AWS: recorded with these spaces.
		return &InvalidError{Message: fmt.Sprintf(" ReservedConcurrentExecutions  %d should not be lower than function's total provisioned concurrency [%d].", *reserved, old.provisioned)}
	case now.size() > old.size() && total-(sum-old.size()+now.size()) < minUnreserved:
		return &InvalidError{Message: fmt.Sprintf("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", minUnreserved)}
	default:
		c.put(scopeKey(tableConcurrency, t.Scope, t.Name), concurrencyRow{Reserved: *reserved})
	}
	c.reclaim(t.Scope, sum, old, now)
	return nil
}

// releaseConcurrency gives back everything that a function claims which goes.
func (c *change) releaseConcurrency(t Target) error {
	old, err := c.claim(t)
	if err != nil || old.size() == 0 {
		return err
	}
	sum, err := c.claimed(t.Scope)
	if err == nil {
		c.reclaim(t.Scope, sum, old, claim{})
	}
	return err
}

// onlyFunctions refuses a qualifier.
func onlyFunctions(t Target) error {
	if t.Qualifier != "" {
		return &InvalidError{Message: "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN."}
	}
	return nil
}

// PutConcurrency reserves concurrency for a function.
func (r *Registry) PutConcurrency(ctx context.Context, t Target, reserved int) error {
	if err := onlyFunctions(t); err != nil {
		return err
	}
	err := r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		c.putFunction(row)
		return c.reserve(t, &reserved, r.concurrencyLimit())
	})
	if _, ok := isMissing(err, t); ok {
		// AWS: this one operation names $LATEST; recorded.
		return notFound(Target{Scope: t.Scope, Name: t.Name, Qualifier: Latest})
	}
	return err
}

// Concurrency reads the reservation: nil is none.
func (r *Registry) Concurrency(ctx context.Context, t Target) (reserved *int, err error) {
	if err := onlyFunctions(t); err != nil {
		return nil, err
	}
	err = r.view(ctx, func(rd reader) error {
		if _, err := rd.version(t); err != nil {
			return err
		}
		reserved, err = rd.reserved(t)
		return err
	})
	return reserved, err
}

// DeleteConcurrency gives the reservation back.
func (r *Registry) DeleteConcurrency(ctx context.Context, t Target) error {
	if err := onlyFunctions(t); err != nil {
		return err
	}
	return r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		c.putFunction(row)
		return c.reserve(t, nil, r.concurrencyLimit())
	})
}
