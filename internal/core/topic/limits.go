package topic

import "time"

// Limits of topics, subscriptions and messages.
// Source: https://docs.aws.amazon.com/general/latest/gr/sns.html and
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const (
	MaxMessageBytes = 256 << 10 // text and attributes together; also of a whole batch
	MaxBatch        = 10
	PageSize        = 100 // of every list

	maxNameBytes     = 256
	maxDisplayName   = 100
	maxSubjectRunes  = 100
	maxGroupBytes    = 128 // of a group or deduplication id
	maxAttributeName = 256
	maxPolicyBytes   = 30 << 10
	maxLabels        = 20 // statements of a policy that AddPermission may make
	maxTags          = 50
	maxTagName       = 128
	maxTagValue      = 256

	dedupWindow = 5 * time.Minute
	tokenLife   = 48 * time.Hour // of a confirmation; a subscription that nobody confirms is removed then
)

// Bounds of a delivery policy.
// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
const (
	maxRetries      = 100
	maxDelaySeconds = 3600 // between two tries
	maxRetryTime    = time.Hour
)

// Our own bounds.
const (
	MaxSubscriptions = 10_000    // of a topic; AWS: 12,500,000
	maxRowBytes      = 256 << 10 // of a topic's or a subscription's settings
	maxViews         = 1000      // topics in memory
	scanPage         = 1000      // rows read at once
	sweepInterval    = time.Hour // between two looks for what nobody confirmed
	retryInterval    = 5 * time.Second
)
