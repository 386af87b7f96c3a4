package hosts

import (
	"net/url"
	"testing"
)

func TestAddresses(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://127.0.0.1:4566":  "http://abc.lambda-url.eu-west-1.localhost:4566",
		"http://[::1]:4566":      "http://abc.lambda-url.eu-west-1.localhost:4566",
		"https://localhost:4566": "https://abc.lambda-url.eu-west-1.localhost:4566",
		"http://lambkin.test":    "http://abc.lambda-url.eu-west-1.lambkin.test",
		"http://10.0.0.1:4566":   "http://10.0.0.1:4566/_aws/lambda-url/abc",
	} {
		u, err := url.Parse(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if got := Address(u, URLLabel, URLPath, "abc", "eu-west-1"); got != want {
			t.Errorf("%s: %s, want %s", endpoint, got, want)
		}
	}
}

func TestNamesOfTheDoors(t *testing.T) {
	for name, want := range map[string]string{
		"abc.execute-api.us-east-1.localhost": "abc execute-api", "abc.lambda-url.us-east-1.on.aws": "abc lambda-url", "abc.execute-api.x": "abc execute-api",
		"abc.execute-api": " ", "abc.execute-api.": " ", "execute-api.us-east-1.amazonaws.com": " ", "abc.s3.us-east-1.localhost": " ", "": " ", "localhost": " ",
	} {
		if id, label := ID(name); id+" "+label != want {
			t.Errorf("%q: %q %q", name, id, label)
		}
	}
	if !Local("a.localhost") || Local("localhost") || Local("a.localhost.example.com") {
		t.Error("which names are this machine's")
	}
}

func TestNamesThatAreThePlatforms(t *testing.T) {
	for name, want := range map[string]bool{
		"localhost": true, "*.localhost": true, "lambkin": true, "127.0.0.1": true, "10.0.0.7": true, "[::1]": true, "::1": true, "LOCALHOST.": true, "": true, "*.com": true,
		"sqs.eu-west-1.amazonaws.com": true, "*.amazonaws.com": true, "amazonaws.com": true, "x.lambda-url.eu-west-1.on.aws": true,
		"api.example.com": false, "*.example.com": false, "shop.localhost": false, "notamazonaws.com": false,
	} {
		if Platform(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
