package plugin

import (
	crypto "crypto/rand"
	"errors"
	"fmt"
	"math/rand"
	"net"
	"os"
	"strings"
	"time"

	"grille"
)

// settings is what the operator sets; settings.schema.json says the same.
type settings struct {
	Mode string `json:"mode"`
}

// configured misbehaves at once if it is to.
func (s settings) configured() error {
	if name, ok := strings.CutSuffix(s.Mode, "-in-configure"); ok {
		return commit(name)
	}
	return nil
}

// misdeed is what to do in an exchange; empty for nothing wrong.
func (s settings) misdeed(exchange *grille.Exchange) string {
	if s.Mode != "" {
		return s.Mode
	}
	name, ok := strings.CutPrefix(exchange.Client, "misdeed:")
	if !ok {
		return ""
	}
	return name
}

// commit does not come back from these, or with an error; the others are not known here.
func commit(misdeed string) error {
	switch misdeed {
	case "spin":
		for turns := 0; ; turns++ {
		}
	case "spin-beside":
		// There is one thread: it has to stop this one to go on.
		go func() {
			for turns := 0; ; turns++ {
			}
		}()
		time.Sleep(time.Hour)
	case "allocate":
		var kept [][]byte
		for {
			kept = append(kept, []byte(strings.Repeat("\xaa", 1<<20)))
		}
	case "crash":
		var nowhere *settings
		nowhere.Mode = "a crash that was asked for"
	case "exit":
		os.Exit(0)
	case "recurse":
		recurse(0)
	case "giant-failure":
		return errors.New(strings.Repeat("x", 1<<30))
	case "long-failure":
		return errors.New(strings.Repeat("x", 4<<20))
	case "control-characters":
		return errors.New("line\nERROR: forged\x1b[31m\u202e\x00")
	}
	return nil
}

func recurse(depth int) int {
	var place [16]int
	place[depth%16] = depth
	return recurse(depth+1) + place[(depth+1)%16]
}

// reached is what the language gives of what lies outside, in words; empty for what is no such thing.
func reached(misdeed string) string {
	switch misdeed {
	case "clock":
		return fmt.Sprint("clock: ", time.Now().UTC(), time.Local)
	case "random":
		return fmt.Sprint("random: ", rand.Uint64())
	case "entropy":
		var bytes [8]byte
		_, err := crypto.Read(bytes[:])
		return fmt.Sprint("entropy: ", bytes, err)
	case "environment":
		host, err := os.Hostname()
		return fmt.Sprint("environment: ", os.Environ(), os.Args, host, err)
	case "files":
		_, readError := os.ReadFile("/etc/hostname")
		writeError := os.WriteFile("/grille-hostile", []byte("planted"), 0o600)
		return fmt.Sprint("files: ", readError, " ", writeError)
	case "network":
		_, err := net.DialTimeout("tcp", "127.0.0.1:5432", time.Second)
		return fmt.Sprint("network: ", err)
	case "order":
		// Maps are walked in an order that is meant to be random.
		var order []string
		for name := range map[string]bool{"a": true, "b": true, "c": true, "d": true, "e": true} {
			order = append(order, name)
		}
		return fmt.Sprint("order: ", order)
	}
	return ""
}

var kept []string

// keep keeps a text wherever one can be kept; all that was kept before.
func keep(text string) string {
	before := strings.Join(kept, "") + os.Getenv("KEPT")
	kept = append(kept, text)
	os.Setenv("KEPT", text)
	return before
}
