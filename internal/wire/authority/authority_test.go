package authority

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// greet makes a handshake by the name and tells how it ended for the client.
func greet(t *testing.T, a *Authority, folder, name string) error {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, CertificateFile))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		t.Fatal("no certificate in the file")
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", a.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan struct{})
	go func() { // ends with its one connection
		defer close(done)
		if c, err := listener.Accept(); err == nil {
			_ = c.(*tls.Conn).Handshake() // the client tells what became of it
			c.Close()
		}
	}()
	c, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: pool, ServerName: name})
	if err == nil {
		c.Close()
	}
	<-done
	return err
}

func TestCertificatesAreForTheServersNames(t *testing.T) {
	folder := t.TempDir()
	a, err := Open(folder, func(name string) bool { return name == "shop.example.com" })
	if err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "abc.lambda-url.us-east-1.localhost": true, "s3.us-east-1.amazonaws.com": true, "x.lambda-url.eu-west-1.on.aws": true, "shop.example.com": true,
		"evil.example.com": false, "google.com": false, "amazonaws.com": false, "localhost.evil.com": false,
	} {
		if err := greet(t, a, folder, name); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	info, err := os.Stat(filepath.Join(folder, keyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has the mode %v, %v", info.Mode(), err)
	}
	again, err := Open(folder, nil)
	if err != nil || !again.certificate.Equal(a.certificate) {
		t.Errorf("another authority after a restart: %v", err)
	}
	if err := greet(t, again, folder, "localhost"); err != nil {
		t.Error(err)
	}
}

func TestADamagedAuthorityIsNotReplaced(t *testing.T) {
	folder := t.TempDir()
	if _, err := Open(folder, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, keyFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(folder, nil); err == nil {
		t.Error("a damaged key was taken")
	}
}

func TestTheNumberOfNamesIsBounded(t *testing.T) {
	a, err := Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	server, client := net.Pipe()
	defer server.Close()
	defer client.Close()
	for range 3 {
		a.made["x"+string(rune('a'+len(a.made)%26))] = nil
	}
	one, err := a.get(&tls.ClientHelloInfo{ServerName: "a.localhost", Conn: server})
	if err != nil {
		t.Fatal(err)
	}
	if two, err := a.get(&tls.ClientHelloInfo{ServerName: "A.localhost.", Conn: server}); err != nil || one != two {
		t.Errorf("a certificate was made twice: %v", err)
	}
	if len(a.made) > maxNames {
		t.Error(len(a.made))
	}
}
