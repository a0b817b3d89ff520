package rest

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// guard refuses requests that must not be answered.
func (a *API) guard(r *http.Request) *Problem {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return &Problem{Status: http.StatusForbidden, Code: "foreign_origin", Field: "Origin", Detail: "requests of other origins are refused"}
		}
	}
	if a.o.Token == "" {
		if host := hostOf(r.Host); !isLoopback(host) && !slices.ContainsFunc(a.o.Hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
			return &Problem{Status: http.StatusForbidden, Code: "foreign_host", Field: "Host", Limit: "localhost",
				Detail: "requests must name a loopback host, since no token is set"}
		}
		return nil
	}
	if r.URL.Path == "/" || strings.HasPrefix(r.URL.Path, "/page/") {
		return nil // has nothing in it, and asks for the token
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(a.o.Token))
	if same := subtle.ConstantTimeCompare(got[:], want[:]); same != 1 || !strings.EqualFold(scheme, "Bearer") {
		return &Problem{Status: http.StatusUnauthorized, Code: "unauthorized", Field: "Authorization",
			Detail: "the request needs the header Authorization: Bearer TOKEN, with the token of this node"}
	}
	return nil
}

// hostOf returns a host without its port.
func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// isLoopback tells whether a host can only be this machine.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
