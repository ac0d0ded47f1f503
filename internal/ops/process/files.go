package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Ports is where a server can be reached: the contents of the ports file. A
// listener on all addresses has a URL for each of them.
type Ports struct {
	NATS       []string `json:"nats,omitempty"`
	Monitoring []string `json:"monitoring,omitempty"`
	Cluster    []string `json:"cluster,omitempty"`
	Profile    []string `json:"profile,omitempty"`
	WebSocket  []string `json:"websocket,omitempty"`
	LeafNodes  []string `json:"leafnodes,omitempty"`
}

// URLs returns the URLs under which a listener is reached: the one of its
// address, or, if it listens on all addresses, one of each that this machine
// has, loopback first. addr nil = none.
func URLs(scheme string, addr net.Addr) []string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp == nil {
		return nil
	}
	port := strconv.Itoa(tcp.Port)
	if len(tcp.IP) != 0 && !tcp.IP.IsUnspecified() {
		return []string{scheme + "://" + net.JoinHostPort(tcp.IP.String(), port)}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil || len(addrs) == 0 {
		return []string{scheme + "://" + net.JoinHostPort("127.0.0.1", port)}
	}
	var urls []string
	for _, a := range addrs {
		ip, ok := a.(*net.IPNet)
		if ok && (tcp.IP.To4() == nil || ip.IP.To4() != nil) { // 0.0.0.0 is all of IPv4 only
			urls = append(urls, scheme+"://"+net.JoinHostPort(ip.IP.String(), port))
		}
	}
	return urls
}

// Files are the pid file and the ports file of this process. The zero value
// has neither.
type Files struct {
	pidFile   string
	portsFile string
}

// WritePID writes the pid file at path, and removes the one written before if
// that was another. "" = none.
func (f *Files) WritePID(path string) error {
	if path != "" {
		if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
			return fmt.Errorf("cannot write the pid file: %w", err)
		}
	}
	old := f.pidFile
	f.pidFile = path
	if old != "" && old != path {
		return removePIDFile(old)
	}
	return nil
}

// WritePorts writes the ports file <program>_<pid>.ports into dir, and removes
// the one written before if that was elsewhere. "" = none.
func (f *Files) WritePorts(dir string, p *Ports) error {
	var path string
	if dir != "" {
		program := filepath.Base(os.Args[0])
		path = filepath.Join(dir, fmt.Sprintf("%s_%d.ports", program, os.Getpid()))
		if err := writeWhole(path, p); err != nil {
			return fmt.Errorf("cannot write the ports file: %w", err)
		}
	}
	old := f.portsFile
	f.portsFile = path
	if old != "" && old != path {
		return removeFile(old)
	}
	return nil
}

// Remove removes both files.
func (f *Files) Remove() error {
	var errs []error
	if f.pidFile != "" {
		errs = append(errs, removePIDFile(f.pidFile))
	}
	if f.portsFile != "" {
		errs = append(errs, removeFile(f.portsFile))
	}
	*f = Files{}
	return errors.Join(errs...)
}

// writeWhole lets nobody see half a file: whoever waits for the ports file
// reads it the moment it is there.
func writeWhole(path string, p *Ports) error {
	content, err := json.Marshal(p)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".ports-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(content)
	err = errors.Join(err, temp.Chmod(0o644), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

// removePIDFile leaves a file alone that a successor has overwritten already.
func removePIDFile(path string) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot remove the pid file: %w", err)
	}
	if strings.TrimSpace(string(content)) != strconv.Itoa(os.Getpid()) {
		return nil
	}
	return removeFile(path)
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove a file of this process: %w", err)
	}
	return nil
}
