package queue

import "time"

// Limits of queues and messages.
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const (
	MaxMessageBytes = 1 << 20 // body and attributes together; also of a whole batch
	MaxBatch        = 10
	MaxReceive      = 10
	MaxWait         = 20 * time.Second
	MaxDelay        = 900 * time.Second
	MaxVisibility   = 43200 * time.Second
	MaxInflight     = 120_000
	MaxAttributes   = 10 // of a message

	dedupWindow     = 5 * time.Minute
	purgeInterval   = 60 * time.Second
	reuseInterval   = 60 * time.Second // between the deletion of a queue and the next of its name
	maxNameBytes    = 80
	maxGroupBytes   = 128 // of a group or deduplication id
	maxTags         = 50
	maxTagName      = 128
	maxTagValue     = 256
	maxReceiveCount = 1000
	maxSourceARNs   = 10
	maxLabels       = 20 // statements of a policy that AddPermission may make
)

// Our own bounds.
const (
	maxAttempts   = 10_000    // receives of a queue that can be repeated
	maxWrites     = 255       // commits of one row at once
	chunkBytes    = 256 << 10 // of a message in one row
	scanPage      = 1000
	markStep      = 1 << 20   // sequence numbers that are reserved at once
	maxRowBytes   = 256 << 10 // of a queue's settings
	sweepInterval = time.Minute
	sweepBatch    = 1000
)
