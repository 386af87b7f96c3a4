package template

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
)

// Services of dynamic references.
const (
	ServiceParameter = "ssm"
	ServiceSecure    = "ssm-secure"
	ServiceSecret    = "secretsmanager"
)

// Dynamic is one dynamic reference, {{resolve:SERVICE:...}}
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html).
type Dynamic struct {
	Service string
	Name    string // of the parameter; id or ARN of the secret
	Version string // of a parameter, or the version id of a secret; empty = the newest
	Stage   string // of a secret; empty = AWSCURRENT
	Key     string // of the secret's JSON; empty = the whole text
	Text    string // as it is written
}

// Lookup gives the text of a parameter, or the whole text of a secret.
type Lookup func(ctx context.Context, reference Dynamic) (string, error)

// Reveal puts the values in the place of the dynamic references inside a value.
// It is the last step before a resource is made: what it gives is not for showing
// nor for keeping.
func Reveal(ctx context.Context, value any, lookup Lookup) (any, error) {
	if text, ok := value.(string); ok {
		return revealText(ctx, text, lookup)
	}
	return Inside(value, func(item any) (any, error) { return Reveal(ctx, item, lookup) })
}

// secure are the properties that may have {{resolve:ssm-secure:...}}, by type
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-ssm-secure-strings.html).
var secure = map[string][]string{
	"AWS::DirectoryService::MicrosoftAD":   {"Password"},
	"AWS::DirectoryService::SimpleAD":      {"Password"},
	"AWS::ElastiCache::ReplicationGroup":   {"AuthToken"},
	"AWS::IAM::User":                       {"LoginProfile/Password"},
	"AWS::KinesisFirehose::DeliveryStream": {"RedshiftDestinationConfiguration/Password"},
	"AWS::RDS::DBCluster":                  {"MasterUserPassword"},
	"AWS::RDS::DBInstance":                 {"MasterUserPassword"},
	"AWS::Redshift::Cluster":               {"MasterUserPassword"},
}

// checkSecure refuses references to secure parameters anywhere else.
func (t *Template) checkSecure() error {
	for _, name := range sorted(t.Resources) {
		r := t.Resources[name]
		path, found := findSecure(plain(r.Properties), "", secure[r.Type], 0)
		if found {
			return refuse("SSM Secure reference is not supported in: [%s/Properties%s]", r.Type, path)
		}
	}
	return nil
}

// findSecure is the path of the first such reference that may not be there.
func findSecure(value any, path string, allowed []string, depth int) (string, bool) {
	if depth > maxDepth {
		return "", false
	}
	switch value := value.(type) {
	case string:
		ok := slices.ContainsFunc(allowed, func(place string) bool { return strings.HasPrefix(path+"/", "/"+place+"/") })
		return path, strings.Contains(value, opening+ServiceSecure+":") && !ok
	case []any:
		for _, item := range value {
			if found, is := findSecure(item, path, allowed, depth+1); is {
				return found, true
			}
		}
	case map[string]any:
		for _, key := range sorted(value) {
			inner := path + "/" + key
			if strings.HasPrefix(key, "Fn::") {
				inner = path
			}
			if found, is := findSecure(value[key], inner, allowed, depth+1); is {
				return found, true
			}
		}
	}
	return "", false
}

const opening = "{{resolve:"

func revealText(ctx context.Context, text string, lookup Lookup) (string, error) {
	if !strings.Contains(text, opening) {
		return text, nil
	}
	var revealed strings.Builder
	for {
		before, rest, found := strings.Cut(text, opening)
		inner, after, closed := strings.Cut(rest, "}}")
		revealed.WriteString(before)
		switch {
		case !found:
			return revealed.String(), nil
		case !closed:
			revealed.WriteString(opening + rest)
			return revealed.String(), nil
		}
		reference, err := parseDynamic(inner)
		if err != nil {
			return "", err
		}
		value, err := lookup(ctx, reference)
		if err == nil && reference.Key != "" {
			value, err = secretKey(value, reference.Key)
		}
		if err != nil {
			return "", err
		}
		revealed.WriteString(value)
		text = after
	}
}

// parseDynamic reads what stands between {{resolve: and }}.
func parseDynamic(inner string) (Dynamic, error) {
	d := Dynamic{Text: opening + inner + "}}"}
	service, rest, _ := strings.Cut(inner, ":")
	d.Service = service
	switch service {
	case ServiceParameter, ServiceSecure:
		name, version, versioned := strings.Cut(rest, ":")
		d.Name, d.Version = strings.TrimSpace(name), strings.TrimSpace(version)
		if d.Name == "" || versioned && strings.Trim(d.Version, "0123456789") != "" {
			return d, refuse("Incorrect format is used in the following SSM reference: [%s]", d.Text)
		}
		return d, nil
	case ServiceSecret:
		return d, d.secret(strings.Split(rest, ":"))
	}
	return d, refuse("Dynamic reference %s uses service %s, which is not supported", d.Text, service)
}

// arnFields is how many fields a secret's ARN has.
const arnFields = 7

func (d *Dynamic) secret(fields []string) error {
	if fields[0] == "arn" && len(fields) >= arnFields {
		fields = append([]string{strings.Join(fields[:arnFields], ":")}, fields[arnFields:]...)
	}
	d.Name = fields[0]
	rest := append(fields[1:len(fields):len(fields)], "", "", "", "")
	kind := rest[0]
	d.Key, d.Stage, d.Version = rest[1], rest[2], rest[3]
	if d.Name == "" || len(fields) > 5 || kind != "" && kind != "SecretString" || d.Stage != "" && d.Version != "" {
		return refuse("Incorrect format is used in the following Secrets Manager reference: [%s]", d.Text)
	}
	return nil
}

// secretKey is one member of a secret's JSON.
func secretKey(secret, key string) (string, error) {
	var object map[string]any
	decoder := json.NewDecoder(strings.NewReader(secret))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil {
		return "", refuse("Could not parse SecretString JSON")
	}
	text, ok := Text(object[key])
	if !ok {
		return "", refuse("Could not find a value associated with JSONKey in SecretString")
	}
	return text, nil
}
