package front

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Address is the URL, without a final slash, by which a client that reaches the
// server at endpoint reaches an id: by a host name below that of the server, or
// by path where the server's is an address that has no names below it.
//
// AWS: names of its own, https://ID.LABEL.REGION.…; the names below localhost
// lead to this machine without any set-up.
func Address(endpoint *url.URL, label, path, id, region string) string {
	host, port := endpoint.Host, ""
	if name, number, err := net.SplitHostPort(host); err == nil {
		host, port = name, ":"+number
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		if !ip.IsLoopback() {
			return endpoint.Scheme + "://" + endpoint.Host + path + id
		}
		host = "localhost"
	}
	return endpoint.Scheme + "://" + id + "." + label + "." + region + "." + host + port
}
