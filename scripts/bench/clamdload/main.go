// Command clamdload feeds messages to a clamd without any mail server, as the
// measure of what virus scanning takes by itself: by INSTREAM, or where the
// address is a unix socket by FILDES, which spares clamd its copy of a message.
// It prints one line of JSON in the words of the load generator of the
// benchmarks:
//
//	clamdload -addr 127.0.0.1:3310 -pid 12 -sessions 20 -file message.eml -limit 3s
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// result is one run.
type result struct {
	Case   string  `json:"case"`
	Target string  `json:"target"`
	Msgs   int     `json:"msgs"`
	Rate   float64 `json:"arrive_msgs_s"`
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	CPU    float64 `json:"srv_cpu_s_per_1k"`
	Errors int     `json:"errors"`
}

// chunk is what clamav-milter and others send at a time.
const chunk = 128 << 10

func main() {
	addr := flag.String("addr", "127.0.0.1:3310", "clamd's TCP address, or the path of its socket")
	pid := flag.Int("pid", 0, "clamd, whose CPU time is told")
	sessions := flag.Int("sessions", 20, "scans at a time")
	file := flag.String("file", "", "message; fields that differ come on top")
	limit := flag.Duration("limit", 3*time.Second, "how long scans are begun")
	name := flag.String("case", "", "name of the case")
	flag.Parse()
	message, err := os.ReadFile(*file)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	run(*addr, message, *sessions, min(*limit/4, 700*time.Millisecond)) // warm-up
	before := cpu(*pid)
	r := run(*addr, message, *sessions, *limit)
	r.Case, r.Target = *name, "clamd-alone"
	r.CPU = (cpu(*pid) - before) * 1000 / float64(max(r.Msgs, 1))
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		os.Exit(1)
	}
}

// run scans for as long as limit.
func run(addr string, message []byte, sessions int, limit time.Duration) result {
	var serial, failed atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	start := time.Now()
	for range sessions {
		wg.Go(func() {
			for time.Since(start) < limit {
				began := time.Now()
				scan := stream
				if strings.Contains(addr, "/") {
					scan = pass
				}
				err := scan(addr, head(serial.Add(1)), message)
				if err != nil {
					failed.Add(1)
					continue
				}
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	seconds := time.Since(start).Seconds()
	slices.Sort(took)
	r := result{Msgs: len(took), Rate: float64(len(took)) / seconds, Errors: int(failed.Load())}
	if n := len(took); n > 0 {
		r.P50, r.P99 = took[n/2].Seconds()*1000, took[n*99/100].Seconds()*1000
	}
	return r
}

// head makes each message another one, as the load generator's fields do: clamd
// knows again what it has found clean.
func head(n int64) []byte {
	return fmt.Appendf(nil, "From: <load@example.org>\r\nTo: undisclosed\r\nSubject: load %d\r\nDate: %s\r\nMessage-ID: <%d.%d@load.example.org>\r\n",
		n, time.Now().Format(time.RFC1123Z), n, time.Now().UnixNano())
}

// stream sends one message over a connection of its own, as scanners do.
func stream(addr string, head, message []byte) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	out := net.Buffers{[]byte("zINSTREAM\x00")}
	for _, p := range [][]byte{head, message} {
		for c := range slices.Chunk(p, chunk) {
			out = append(out, binary.BigEndian.AppendUint32(nil, uint32(len(c))), c)
		}
	}
	out = append(out, []byte{0, 0, 0, 0})
	if _, err := out.WriteTo(conn); err != nil {
		return err
	}
	return answer(conn)
}

// pass has a file scanned: clamd gets its descriptor.
func pass(addr string, head, message []byte) error {
	f, err := os.CreateTemp("", "clamdload-")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	if _, err := f.Write(append(head, message...)); err != nil {
		return err
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: addr, Net: "unix"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("zFILDES\x00")); err != nil {
		return err
	}
	if _, _, err := conn.WriteMsgUnix([]byte{0}, syscall.UnixRights(int(f.Fd())), nil); err != nil {
		return err
	}
	return answer(conn)
}

// answer waits for the verdict, which must be that the message is clean.
func answer(conn net.Conn) error {
	reply, err := io.ReadAll(conn)
	if err == nil && !bytes.Contains(reply, []byte("OK")) {
		err = fmt.Errorf("clamd says %q", reply)
	}
	return err
}

// cpu returns the seconds of CPU that a process has used (proc_pid_stat(5)).
func cpu(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	const ticks = 100 // a second, as on every Linux that Go runs on
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) / ticks
}
