package logs

import "time"

// Limits of the API.
//
// AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
// and the reference page of PutLogEvents.
const (
	maxBatchBytes   = 1_048_576 // of PutLogEvents: messages and eventOverhead for each
	eventOverhead   = 26
	maxBatchSpan    = 24 * time.Hour
	maxFuture       = 2 * time.Hour
	maxPast         = 14 * 24 * time.Hour
	maxPageEvents   = 10_000
	maxPageBytes    = 1 << 20
	maxPageRows     = 50
	maxTags         = 50
	maxStreamFilter = 100 // logStreamNames of FilterLogEvents
	maxPatternRegex = 2
)

// Limits of the storage.
const (
	segmentBytes      = 16 << 20       // a segment is sealed at this size
	segmentAge        = 24 * time.Hour // or at this age: retention removes whole segments
	maxSegments       = 4096           // of a stream: 64 GiB
	maxBlockBytes     = 2 << 20        // payload of one block: a whole PutLogEvents and its framing
	blockTargetBytes  = 256 << 10      // the sink cuts what it has into blocks of about this
	scanBudgetBytes   = 64 << 20       // one FilterLogEvents reads that much, then returns what it has and a token
	flushEvery        = 500 * time.Millisecond
	sweepEvery        = time.Hour
	maxStreamBuffer   = 1 << 20  // of the sink: what a stream writes beyond it before the next flush is dropped
	maxTotalBuffer    = 32 << 20 // of the sink, all streams
	maxSinkMessage    = maxBatchBytes - eventOverhead
	maxRowsRead       = 1000 // entries of one scan of the store
	writeLocks        = 64
	bufferedEventCost = 64 // bytes that a buffered event costs besides its text
)

// retentionDays are the values that PutRetentionPolicy takes.
var retentionDays = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
