package backend

import (
	"net/url"
	"strings"
)

// queueNames are the names of SQS's older, query API, for those of its model, which is
// that of the newer one.
// AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-xml.html
var queueNames = map[string]string{
	"MessageAttribute": "MessageAttributes", "MessageSystemAttribute": "MessageSystemAttributes", "Attribute": "Attributes", "Tag": "Tags",
	"AttributeName": "AttributeNames", "MessageAttributeName": "MessageAttributeNames", "MessageSystemAttributeName": "MessageSystemAttributeNames",
	"SendMessageBatchRequestEntry": "Entries", "DeleteMessageBatchRequestEntry": "Entries", "ChangeMessageVisibilityBatchRequestEntry": "Entries",
	"TagKey": "TagKeys", "ActionName": "Actions", "AWSAccountId": "AWSAccountIds",
}

// queueMaps are those whose entries the older API names Name or Key, and Value.
var queueMaps = map[string]bool{"MessageAttributes": true, "MessageSystemAttributes": true, "Attributes": true, "Tags": true}

// queueForm words a form of the query API of SQS by the names of its model.
func queueForm(form url.Values) url.Values {
	made := url.Values{}
	for name, values := range form {
		parts := strings.Split(name, ".")
		for i, part := range parts {
			if newer := queueNames[part]; newer != "" && i+1 < len(parts) {
				parts[i] = newer
			}
			if i >= 2 && queueMaps[parts[i-2]] {
				switch part {
				case "Name", "Key":
					parts[i] = "key"
				case "Value":
					parts[i] = "value"
				}
			}
		}
		made[strings.Join(parts, ".")] = values
	}
	return made
}
