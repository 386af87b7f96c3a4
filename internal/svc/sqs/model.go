package sqs

import (
	"slices"

	"github.com/lambkin-dev/lambkin/internal/api/sqsapi"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// models are the API model as the two protocols use it. In both, required
// members and names of attributes are checked by the operations, because SQS
// words these errors unlike other services.
func models() (forJSON, forQuery *shape.Service) {
	j, q := *sqsapi.Model, *sqsapi.Model
	j.Shapes, q.Shapes = relaxed(sqsapi.Model.Shapes), relaxed(sqsapi.Model.Shapes)
	q.Protocols, q.TargetPrefix, q.JSONVersion, q.QueryErrors = []shape.Protocol{shape.Query}, "", "", false
	q.XMLNamespace = "http://queue.amazonaws.com/doc/2012-11-05/"
	q.Operations = slices.Clone(q.Operations)
	for i := range q.Operations {
		if op := &q.Operations[i]; op.Output != shape.None {
			op.Wrapper = op.Name + "Result"
		}
	}
	rename(q.Shapes)
	return &j, &q
}

// relaxed is a copy without constraints.
func relaxed(shapes []shape.Shape) []shape.Shape {
	shapes = slices.Clone(shapes)
	for i := range shapes {
		s := &shapes[i]
		s.Enum = nil
		s.Members = slices.Clone(s.Members)
		for j := range s.Members {
			s.Members[j].Required = false
		}
	}
	return shapes
}

// queryNames are the names of members in the query protocol, where they differ:
// AWS's model named them until the service learned json.
// AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
// and its neighbours, "Query protocol" in the examples.
var queryNames = map[string]string{
	"AWSAccountIds": "AWSAccountId", "Actions": "ActionName", "AttributeNames": "AttributeName", "Attributes": "Attribute",
	"MessageAttributeNames": "MessageAttributeName", "MessageAttributes": "MessageAttribute", "MessageSystemAttributes": "MessageSystemAttribute",
	"MessageSystemAttributeNames": "MessageSystemAttributeName", "Messages": "Message", "QueueUrls": "QueueUrl", "queueUrls": "QueueUrl",
	"TagKeys": "TagKey", "Tags": "Tag", "tags": "Tag", "StringListValues": "StringListValue", "BinaryListValues": "BinaryListValue",
}

// namedByElement are the members that are called what their elements are.
var namedByElement = []string{"Entries", "Successful", "Failed", "Results"}

func rename(shapes []shape.Shape) {
	for i := range shapes {
		s := &shapes[i]
		for j := range s.Members {
			m := &s.Members[j]
			list := &shapes[m.Shape]
			switch name, differs := queryNames[m.Name]; {
			case differs && (list.Kind == shape.List || list.Kind == shape.Map):
				m.Wire = name
			case slices.Contains(namedByElement, m.Name) && list.Kind == shape.List:
				m.Wire = shapes[list.Elem.Shape].Name
			}
		}
		if s.Kind != shape.Map {
			continue
		}
		key, value := *s.Key, *s.Elem
		key.Wire, value.Wire = "Name", "Value"
		if s.Name == "TagMap" {
			key.Wire = "Key"
		}
		s.Key, s.Elem = &key, &value
	}
}
