package plan

import "testing"

// The first line: as recorded from AWS.
func TestWhatIsNotHereIsSaidInAFewLines(t *testing.T) {
	have := []string{"AWS::Lambda::Alias", "AWS::Lambda::Function", "AWS::SNS::Topic", "AWS::SQS::Queue"}
	const list = "\nThis platform has:\nAWS::Lambda:: Alias, Function\nAWS::SNS:: Topic\nAWS::SQS:: Queue"
	for unknown, want := range map[string]string{
		"AWS::EC2::Instance":   "Template format error: Unrecognized resource types: [AWS::EC2::Instance]" + list,
		"AWS::Lamda::function": "Template format error: Unrecognized resource types: [AWS::Lamda::function]\nAWS::Lamda::function: is it AWS::Lambda::Function?" + list,
	} {
		if got := unknownTypes([]string{unknown}, have); got != want {
			t.Errorf("%s", got)
		}
	}
}
