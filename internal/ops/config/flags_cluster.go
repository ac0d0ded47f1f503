package config

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"dunlin/internal/proto/conflang"
)

func clusterFlag(apply func(c *Cluster, g *givenFlag) error, kind conflang.Kind, names ...string) *flagDef {
	return &flagDef{names: names, kind: kind, apply: func(o *Options, g *givenFlag) error { return apply(&o.Cluster, g) }}
}

// setClusterListen reads a URL with address, port and perhaps credentials. It
// replaces those of the file as a whole: without credentials there are none
// any more. An empty one takes the server out of its cluster.
func setClusterListen(c *Cluster, g *givenFlag) error {
	if g.text == "" {
		c.Port = 0
		return nil
	}
	const form = "expected the form nats://user:password@host:port"
	// net/url takes no negative port, which is any free one.
	text, anyPort := strings.CutSuffix(g.text, ":-1")
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return errors.New("is no URL; " + form) // the reason would show the password
	}
	port := -1
	if !anyPort {
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return fmt.Errorf("%s has no port; %s", u.Redacted(), form)
		}
	}
	username, password := "", ""
	if u.User != nil {
		var has bool
		if password, has = u.User.Password(); !has {
			return errors.New("has a user without a password; " + form)
		}
		username = u.User.Username()
	}
	c.Host, c.Port, c.Username, c.Password = u.Hostname(), port, username, password
	return nil
}

// setClusterRoutes reads URLs with commas between them, which replace those of
// the file. None at all leaves the file's.
func setClusterRoutes(c *Cluster, g *givenFlag) error {
	var routes []*url.URL
	for i, text := range strings.Split(g.text, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" {
			return fmt.Errorf("URL %d is none with a host; expected the form nats://host:port", i+1)
		}
		routes = append(routes, u)
	}
	if routes != nil {
		c.Routes = routes
	}
	return nil
}
