package front

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// CORS are the rules by which pages of other origins may call. AWS:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html and
// https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors
type CORS struct {
	AllowCredentials bool
	AllowHeaders     []string
	AllowMethods     []string
	AllowOrigins     []string // "*", "https://example.org", "https://*.example.org", "https://*"
	ExposeHeaders    []string
	MaxAge           *int // seconds
}

// IsPreflight tells the question that browsers ask before a request.
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// Allows tells whether pages of an origin may read the answers.
func (c *CORS) Allows(origin string) bool {
	return slices.ContainsFunc(c.AllowOrigins, func(pattern string) bool {
		before, after, star := strings.Cut(strings.ToLower(pattern), "*")
		origin := strings.ToLower(origin)
		if !star {
			return origin == before
		}
		return len(origin) >= len(before)+len(after) && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after)
	})
}

// Set writes the headers of an answer to a request with an Origin, in the place
// of those that the function gave.
func (c *CORS) Set(h http.Header, r *http.Request) {
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age"} {
		h.Del(name)
	}
	origin := r.Header.Get("Origin")
	if origin == "" || !c.Allows(origin) {
		return
	}
	if slices.Contains(c.AllowOrigins, "*") && !c.AllowCredentials {
		origin = "*"
	} else {
		h.Add("Vary", "Origin")
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if c.AllowCredentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(c.ExposeHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(c.ExposeHeaders, ","))
	}
}

// Preflight answers IsPreflight's question; status is that of the kind of API.
func (c *CORS) Preflight(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	c.Set(h, r)
	if h.Get("Access-Control-Allow-Origin") != "" {
		methods, headers := c.AllowMethods, c.AllowHeaders
		if slices.Contains(methods, "*") && c.AllowCredentials { // a star means nothing to browsers then
			methods = []string{r.Header.Get("Access-Control-Request-Method")}
		}
		if slices.Contains(headers, "*") && c.AllowCredentials {
			headers = []string{r.Header.Get("Access-Control-Request-Headers")}
		}
		if len(methods) > 0 {
			h.Set("Access-Control-Allow-Methods", strings.Join(methods, ","))
		}
		if len(headers) > 0 && headers[0] != "" {
			h.Set("Access-Control-Allow-Headers", strings.Join(headers, ","))
		}
		if c.MaxAge != nil {
			h.Set("Access-Control-Max-Age", strconv.Itoa(*c.MaxAge))
		}
	}
	w.WriteHeader(status)
}
