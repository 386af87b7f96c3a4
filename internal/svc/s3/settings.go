package s3

// The names of settings in the row of a bucket.
const (
	ownershipSetting = "ownershipControls"
	accessSetting    = "publicAccessBlock"
	tagSetting       = "tagging"
)

// ownerEnforced is the one kind of ownership: there are no access control lists.
const ownerEnforced = "BucketOwnerEnforced"

const whyNoACLs = "there are no access control lists"
