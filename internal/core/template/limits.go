package template

// The quotas of CloudFormation:
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const (
	MaxInlineBytes = 51_200    // of TemplateBody
	MaxBytes       = 1_000_000 // of an object behind TemplateURL: the error names a decimal megabyte

	MaxResources        = 500
	MaxParameters       = 200
	MaxOutputs          = 200
	MaxMappings         = 200
	MaxMapKeys          = 200
	MaxDescriptionBytes = 1024
	MaxParameterBytes   = 4096 // of a parameter's value
	MaxNameBytes        = 255  // of resources, parameters, mappings, outputs
)

// Bounds of our own: far above what a template within the quotas needs.
const (
	maxDepth         = 200       // of values that are walked
	maxResolvedBytes = MaxBytes  // of the texts that resolving one resource makes
	maxSteps         = 2_000_000 // values that resolving one resource visits
)
