package object

import "time"

// Limits of S3.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html and the quotas page
const (
	MaxBuckets        = 10_000
	MaxKeyBytes       = 1024
	MaxMetadataBytes  = 2 << 10
	MaxObjectTags     = 10
	MaxBucketTags     = 50
	MaxParts          = 10_000
	MinPartBytes      = 5 << 20 // of all parts but the last
	MaxObjectBytes    = 5 << 40
	MaxCopyBytes      = 5 << 30
	MaxPage           = 1000
	MaxDeleteObjects  = 1000
	MaxLifecycleRules = 1000
)

// Our own.
const (
	inlineBytes     = 64 << 10 // objects up to this size are rows: one commit writes them
	partsInRow      = 16       // contents of more parts have rows of their own for the list
	partsInManifest = 2000     // parts of one such row, about 300 KiB
	deleteBatch     = 200      // objects that one commit deletes
	scanRows        = 1000     // rows of one scan
	firstScan       = 16       // of a list that may skip most of what it finds
	collectBatch    = 100      // garbage rows of one round
	collectInterval = time.Minute
	lifecycleEvery  = time.Hour
	sweepEvery      = 24 * time.Hour
	bucketIDBytes   = 8
	refBytes        = 8
	versionBytes    = 16 // of randomness in the id of a version
	uploadBytes     = 24 // of randomness in the id of an upload
	bucketRowBytes  = 400 << 10
)
