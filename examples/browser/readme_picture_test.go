package browser

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/chromedp/chromedp"
)

// readmePicture writes the picture of the README: the page down to the end of the table. The file
// has the texts of the table as a comment, which internal.TestPictureOfREADME compares.
func (p *person) readmePicture() {
	p.t.Helper()
	p.scheme("light")
	p.do("resize", chromedp.EmulateViewport(1280, 800))
	bottom := read(p, "height", chromedp.Evaluate[int](`Math.round(document.querySelector("#report").getBoundingClientRect().bottom + scrollY) + 25`))
	texts := read(p, "texts", chromedp.Evaluate[string](`[...document.querySelectorAll("#report tbody tr")].map(r => [...r.children].map(c => c.firstChild.textContent.trim() || c.textContent.trim()).join(" | ")).join("\n")`))
	full, err := png.Decode(bytes.NewReader(read(p, "picture", chromedp.FullScreenshot(100))))
	if err != nil {
		p.t.Fatal(err)
	}
	upper := image.NewPaletted(image.Rect(0, 0, 1280, bottom), palette(full))
	draw.Draw(upper, upper.Bounds(), full, image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, upper); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pictures, "readme.png"), withComment(b.Bytes(), texts), 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.scheme("")
	p.do("resize", chromedp.ResetViewport())
}

// palette returns the 256 most frequent colors: the file has half the size, and looks the same.
func palette(m image.Image) color.Palette {
	counts := map[color.Color]int{}
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			counts[m.At(x, y)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return counts[b] - counts[a] })
	return all[:min(256, len(all))]
}

// withComment adds a tEXt chunk after the header of a PNG.
func withComment(file []byte, text string) []byte {
	const header = 8 + 25 // the signature and IHDR
	chunk := append([]byte("tEXtComment\x00"), text...)
	added := binary.BigEndian.AppendUint32(nil, uint32(len(chunk)-4))
	added = binary.BigEndian.AppendUint32(append(added, chunk...), crc32.ChecksumIEEE(chunk))
	return append(append(append([]byte{}, file[:header]...), added...), file[header:]...)
}
