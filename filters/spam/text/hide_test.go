package text

import (
	"strings"
	"testing"
)

// TestEveryWayToHideIsSeen: of each, the letters a are not shown, and the
// letters b are.
func TestEveryWayToHideIsSeen(t *testing.T) {
	for name, style := range map[string]string{
		"calc":                     "font-size:calc(1px - 1px)",
		"nested calc":              "font-size:calc((2px*3) - calc(12px/2))",
		"min":                      "font-size:min(0px, 12px)",
		"clamp":                    "font-size:clamp(0px, 1vw, .5px)",
		"exponent":                 "font-size:1e-3em",
		"font shorthand":           "font:bold calc(0px)/1 Arial",
		"variable":                 "--d:none;display:var(--d)",
		"variable of a variable":   "--a:0;--s:calc(var(--a)*1px);font-size:var(--s)",
		"variable's other value":   "display:var(--nothing, none)",
		"white by hsl":             "color:hsl(0,0%,100%)",
		"white by hsla":            "color:hsla(120deg 10% 99.5% / 1)",
		"transparent by hsla":      "color:hsla(0,0%,0%,.01)",
		"transparent by hex":       "color:#00000008",
		"white by hwb":             "color:hwb(10 100% 0%)",
		"white by lab":             "color:lab(100% 0 0)",
		"white by oklch":           "color:oklch(1 0 0)",
		"white by color()":         "color:color(srgb 1 1 1)",
		"light-dark":               "color:light-dark(white, black)",
		"a rare name":              "color:linen;background:linen",
		"written the same":         "color:color-mix(in srgb, red, blue);background:color-mix(in srgb, red, blue)",
		"system colours":           "color:canvas",
		"filling":                  "color:#000;-webkit-text-fill-color:transparent",
		"opacity":                  "opacity:.04",
		"opacity in percent":       "opacity:2%",
		"opacity by calc":          "opacity:calc(1 - 0.99)",
		"filter":                   "filter:opacity(1%)",
		"blur":                     "filter:blur(30px)",
		"content":                  "content-visibility:hidden",
		"column":                   "display:table-column",
		"scale":                    "transform:scale(0)",
		"scale a little":           "transform:scale(.001)",
		"scale one way":            "transform:translate(1px) scaleY(0)",
		"scale in depth":           "transform:scale3d(0,1,1)",
		"the property scale":       "scale:0",
		"turned":                   "transform:rotateX(90deg)",
		"turned by a quarter":      "transform:rotateY(.25turn)",
		"turned about an axis":     "transform:rotate3d(1,0,0,90deg)",
		"the property rotate":      "rotate:y 90deg",
		"turned its back":          "transform:rotateY(180deg);backface-visibility:hidden",
		"moved":                    "transform:translateX(-9999px)",
		"the property translate":   "translate:-9999px",
		"matrix":                   "transform:matrix(0,0,0,0,0,0)",
		"clipped to a circle":      "clip-path:circle(0)",
		"clipped to a line":        "clip-path:polygon(0 0, 100% 0, 50% 0)",
		"clipped to a point":       "clip-path:polygon(0 0,0 0,0 0,0 0)",
		"clipped by its edges":     "clip-path:inset(0 50% 0 60%)",
		"clipped to a rectangle":   "clip-path:rect(0 0 0 0)",
		"old clip":                 "position:absolute;clip:rect(1px,1px,1px,1px)",
		"flat":                     "height:calc(0px);overflow:hidden",
		"flat by its line":         "line-height:0;overflow:hidden",
		"flat, to be scrolled":     "height:0;overflow:auto",
		"off the right edge":       "position:absolute;left:9999px",
		"inset":                    "position:fixed;inset:-9999px auto auto auto",
		"margin":                   "margin:0 0 0 -9999px",
		"letters upon each other":  "letter-spacing:-1em",
		"by how letters stand":     "letter-spacing:normal;letter-spacing:-9px",
		"zoom":                     "zoom:0.01",
		"mask":                     "mask:linear-gradient(transparent,transparent)",
		"mask of WebKit":           "-webkit-mask-image:linear-gradient(to top, #0000 0 50%, rgba(0,0,0,0))",
		"dots":                     "-webkit-text-security:disc",
		"scale of Firefox":         "-moz-transform:scale(0)",
		"logical size":             "block-size:0;overflow:hidden",
		"painted inside alone":     "height:0;contain:strict",
		"flat, most or not":        "height:0;max-height:9px;overflow:hidden",
		"a pixel":                  "width:1px;height:1px;overflow:hidden",
		"all the width":            "text-indent:100%;white-space:nowrap;overflow:hidden",
		"logical place":            "position:absolute;inset-inline-start:-9999px",
		"logical margin":           "margin-inline-start:-9999px",
		"mixed with itself":        "color:color-mix(in srgb, white, white)",
		"mixed with little":        "color:color-mix(in oklab, white 99%, black)",
		"mixed with nothing":       "color:color-mix(in srgb, red 2%, transparent)",
		"white from white":         "color:rgb(from white r g b)",
		"clear from red":           "color:hsl(from red h s l / 0)",
		"calc in a colour":         "color:rgb(calc(255) 255 255)",
		"none in a colour":         "color:rgb(none none none / none)",
		"filling before a colour":  "-webkit-text-fill-color:#fff;color:#000",
		"cut to letters":           "background:#fff;background-clip:text;color:transparent",
		"clear shadow":             "color:transparent;text-shadow:0 0 0 transparent",
		"no outline":               "color:transparent;-webkit-text-stroke:black 0px",
		"later declaration":        "display:block;display:none",
		"unknown value afterwards": "display:none;display:blok",
		"important":                "display:none!important;display:block",
	} {
		p := page(`<p>b</p><div style="` + style + `">a</div>b`)
		if text := strings.ReplaceAll(string(p.Text), "\n", ""); text != "bb" || string(p.Hidden) != "a" {
			t.Errorf("%s, %q: text %q, hidden %q", name, style, p.Text, p.Hidden)
		}
	}
}

// TestWhatOnlyLooksLikeHidingHidesNothing: all letters are shown.
func TestWhatOnlyLooksLikeHidingHidesNothing(t *testing.T) {
	for name, style := range map[string]string{
		"shown again":            "display:none;display:block",
		"half a pixel less":      "letter-spacing:-.5px",
		"half seen":              "opacity:.5",
		"half a filter":          "filter:opacity(0.9)",
		"turned on the page":     "transform:rotate(90deg)",
		"to the middle":          "position:absolute;left:50%;transform:translate(-50%,-50%)",
		"clipped a little":       "clip-path:inset(10% 20%)",
		"triangle":               "clip-path:polygon(0 0, 100% 0, 50% 100%)",
		"no such variable":       "display:var(--nothing)",
		"a column's width":       "width:0;min-width:100%",
		"calc":                   "font-size:calc(12px + 1vw)",
		"no length":              "font-size:calc(1px",
		"grey on white":          "color:hsl(0,0%,50%)",
		"other mixes":            "color:color-mix(in srgb, red, blue);background:color-mix(in srgb, red, white)",
		"a shadow instead":       "color:transparent;text-shadow:0 0 0 #000",
		"half an em":             "font-size:.5em",
		"scroll":                 "height:100px;overflow:auto",
		"font with a weight":     "font:400 12px/1.5 Arial",
		"white on a light-blue":  "color:white;background:steelblue",
		"negative is not a size": "font-size:-1px",
		"half a mask":            "mask:linear-gradient(#000 60%,transparent)",
		"a mask of letters":      "mask:linear-gradient(currentcolor,currentcolor)",
		"two masks":              "mask:url(x.svg),linear-gradient(transparent,transparent)",
		"half mixed":             "color:color-mix(in srgb, white 50%, black)",
		"red from red":           "color:rgb(from red r g b)",
		"black from white":       "color:rgb(from white 0 0 0)",
		"gradient in letters":    "background:linear-gradient(red,blue);-webkit-background-clip:text;color:transparent",
		"colour in letters":      "background:red;background-clip:text;-webkit-text-fill-color:transparent",
		"outline":                "color:transparent;-webkit-text-stroke:1px #000",
		"filling of no SVG":      "fill:none",
		"moved, and not":         "position:absolute;left:-9999px;left:0",
		"flat, and not":          "height:0;height:auto;height:20px;overflow:hidden",
		"flat, but with a most":  "height:9px;max-height:9px;overflow:hidden",
		"flat, but at least":     "max-height:0;min-height:20px;overflow:hidden",
		"a pixel, but shown":     "width:1px;height:1px",
		"cut when painted":       "contain:paint",
	} {
		p := page(`<div style="` + style + `">a</div>`)
		if string(p.Text) != "a" || len(p.Hidden) > 0 {
			t.Errorf("%s, %q: text %q, hidden %q", name, style, p.Text, p.Hidden)
		}
	}
}

// TestElementsThatShowNothing: of each, the letters a are not shown, and the
// letters b are.
func TestElementsThatShowNothing(t *testing.T) {
	for _, html := range []string{
		"<dialog>a</dialog><p>b</p>", "<datalist><option>a</datalist><p>b</p>", "<div popover>a</div><p>b</p>", "<div hidden=until-found>a</div><p>b</p>",
		"<svg><text opacity=0>a</text></svg><p>b</p>", "<svg fill=none><text>a</text></svg><p>b</p>", "<svg><text fill-opacity=0.01>a</text></svg><p>b</p>",
		"<svg><text font-size=0>a</text></svg><p>b</p>", "<svg><g visibility=hidden><text>a</text></g></svg><p>b</p>", "<svg><desc>a</desc></svg><p>b</p>",
		"<svg width=0 height=0><text>a</text></svg><p>b</p>", "<svg><text style='fill:transparent'>a</text></svg><p>b</p>",
		"<dialog open>b</dialog>", "<dialog style='display:block'>b</dialog>", "<style>dialog{display:block}</style><dialog>b</dialog>", "<div popover style='display:block'>b</div>",
		"<svg fill=none><text fill=black>b</text></svg>", "<svg fill=none><text stroke=black>b</text></svg>", "<svg><text fill=white>b</text></svg>",
		"<svg><style>.k{fill:none}</style></svg><p class=k>b</p>", "<details><summary>b</summary>b</details>", "<audio>b</audio>", "<noscript>b</noscript>", "<object>b</object>",
	} {
		p := page(html)
		hidden := strings.Contains(html, ">a<")
		if strings.Contains(string(p.Text), "a") || strings.Contains(string(p.Hidden), "b") || hidden != (string(p.Hidden) == "a") || !strings.Contains(string(p.Text), "b") {
			t.Errorf("%s: text %q, hidden %q", html, p.Text, p.Hidden)
		}
	}
}

// TestWhatIsShownInsideWhatHidesLetters: an element inside says otherwise.
func TestWhatIsShownInsideWhatHidesLetters(t *testing.T) {
	for outer, inner := range map[string]string{
		"letter-spacing:-9px":         "letter-spacing:normal",
		"letter-spacing:-1em":         "letter-spacing:0",
		"-webkit-text-security:disc":  "-webkit-text-security:none",
		"font-size:0":                 "font-size:medium",
		"font-size:0;color:black":     "font-size:initial",
		"color:#fff":                  "color:initial",
		"visibility:hidden":           "visibility:visible",
		"color:white;background:#fff": "background:black",
	} {
		if p := page(`<div style="` + outer + `"><p style="` + inner + `">a</p></div>`); string(p.Text) != "a" {
			t.Errorf("%s in %s: text %q, hidden %q", inner, outer, p.Text, p.Hidden)
		}
	}
	if p := page(`<div style="font-size:0"><font size=3>a</font></div>`); string(p.Text) != "a" {
		t.Errorf("text %q, hidden %q", p.Text, p.Hidden)
	}
}

// TestRulesHoldByForceAndOrder: whatever the order of names.
func TestRulesHoldByForceAndOrder(t *testing.T) {
	for sheet, attrs := range map[string]string{
		".k{display:none}.l{display:block}":                "class='l k'",
		".k{opacity:0}.l{opacity:1}":                       "class='l k'",
		"#k{display:block}.l{display:none}":                "id=k class=l",
		"p.l{display:block}.l{display:none}":               "class=l",
		".l{display:block}p{display:none}":                 "class=l",
		"div .l{display:block}.l{display:none}":            "class=l",
		".l{display:block!important}#k{display:none}":      "id=k class=l",
		":is(.k,.l).l{color:black}.l{color:white}":         "class=l",
		"p{display:none}p{display:block}":                  "",
		"[hidden]{display:block}":                          "hidden",
		"p:not(.l){display:none}p:nth-child(9){opacity:0}": "class=l",
	} {
		if p := page("<style>" + sheet + "</style><div><p " + attrs + ">a</p></div>"); string(p.Text) != "a" {
			t.Errorf("%s: text %q, hidden %q", sheet, p.Text, p.Hidden)
		}
	}
}

func TestSelectorsFindWhatTheyHide(t *testing.T) {
	for name, c := range map[string]struct{ sheet, html string }{
		"attribute":            {"[title]{display:none}", "<p title=x>a</p>b"},
		"attribute's value":    {"p[data-k='x']{display:none}", "<p data-k=x>a</p><p data-k=y>b</p>"},
		"beginning of a value": {"[class^=zz]{display:none}", "<p class=zz9>a</p>b"},
		"inside of a value":    {"[style*='color: red']{display:none}", "<p style='color: red'>a</p>b"},
		"a word of a value":    {`[rel~="x"]{display:none}`, "<p rel='y x'>a</p>b"},
		"language":             {":lang(de){display:none}", "<p lang=de-AT>a</p><p lang=en>b</p>"},
		"two classes":          {".k.l{display:none}", "<p class='l k'>a</p><p class=k>b</p>"},
		"class inside":         {"div .k{display:none}", "<div><p class=k>a</p></div><p class=k>b</p>"},
		"tag inside a class":   {".o span{font-size:0}", "<div class=o><b><span>a</span></b></div><span>b</span>"},
		"child":                {"div>i{display:none}", "<div><i>a</i><b><i>b</i></b></div>"},
		"body":                 {"body p{display:none}", "<body><p>a</p></body>"},
		"class of the body":    {"body.k .l{display:none}", "<body class=k><p class=l>a</p>b"},
		"not":                  {"p:not(.k){display:none}", "<p>a</p><p class=k>b</p>"},
		"is":                   {":is(.k){display:none}", "<p class=k>a</p>b"},
		"everything":           {"*.k{display:none}", "<p class=k>a</p>b"},
		"every child":          {"i:nth-child(n){display:none}", "<i>a</i>b"},
		"not in a list":        {"p:not(.k, .l){display:none}", "<p>a</p><p class=l>b</p>"},
		"not not":              {"p:not(:not(.k)){display:none}", "<p class=k>a</p><p>b</p>"},
		"not of a list":        {"p:not(:is(.k,.l)){display:none}", "<p>a</p><p class=k>b</p>"},
		"not touched":          {"p:not(:hover){display:none}", "<p>a</p>b"},
		"is in a list":         {"p:is(.k, .l, .m){display:none}", "<p class=m>a</p><p>b</p>"},
		"inside of a list":     {":where(.k,.l) i{display:none}", "<p class=l><i>a</i></p><p><i>b</i></p>"},
		"first":                {"p:first-child{display:none}", "<div><p>a</p><p>b</p></div>"},
		"first of the page":    {"p:first-child{display:none}", "<title>x</title><p>a</p><p>b</p>"},
		"not first":            {"p:not(:first-child){display:none}", "<div><p>b</p><p>a</p></div>"},
		"second":               {"p:nth-child(2){display:none}", "<div><br><p>a</p><p>b</p></div>"},
		"even":                 {"p:nth-child(even){display:none}", "<div><p>b</p><p>a</p></div>"},
		"odd":                  {"p:nth-child( 2n + 1 ){display:none}", "<div><p>a</p><p>b</p></div>"},
		"from the second on":   {"p:nth-child(n+2){display:none}", "<div><p>b</p><p>a</p></div>"},
		"up to the second":     {"p:nth-child(-n+2){display:none}", "<div><br><p>a</p><p>b</p></div>"},
		"next":                 {"b + i{display:none}", "<p><b>b</b><i>a</i><i>b</i></p>"},
		"next to a class":      {".k+i{display:none}", "<p><b class='l k'>b</b><i>a</i><u>b</u></p>"},
		"later":                {"b ~ i.k{display:none}", "<p><b>b</b><u>b</u><i class=k>a</i></p>"},
		"inside the next":      {"b + i u{display:none}", "<p><b>b</b><i><u>a</u></i><u>b</u></p>"},
		"next, inside":         {".k b + i{display:none}", "<p class=k><b>b</b><i>a</i></p><p><b>b</b><i>b</i></p>"},
		"inside the second":    {"p:nth-child(2) i{display:none}", "<div><p><i>b</i></p><p><i>a</i></p></div>"},
		"screens among media":  {"@media print, screen and (color){.k{display:none}}", "<p class=k>a</p>b"},
		"not printed":          {"@media not print{.k{display:none}}", "<p class=k>a</p>b"},
		"every width":          {"@media (min-width:1px) and (max-width:99999px){.k{display:none}}", "<p class=k>a</p>b"},
		"every height":         {"@media (height >= 0){.k{display:none}}", "<p class=k>a</p>b"},
		"what all support":     {"@supports (display:grid){.k{display:none}}", "<p class=k>a</p>b"},
		"escaped":              {`.\6b{display:none}`, "<p class=k>a</p>b"},
		"comment":              {".k/**/{display:none}", "<p class=k>a</p>b"},
		"a block before":       {"@media screen{.x{color:red}} .k{display:none}", "<p class=k>a</p>b"},
		"every screen":         {"@media only screen and (min-width:1px){.k{display:none}}", "<p class=k>a</p>b"},
		"layer":                {"@layer x{.k{display:none}}", "<p class=k>a</p>b"},
		"variable of the page": {":root{--d:none}.k{display:var(--d)}", "<p class=k>a</p>b"},
		"overruled":            {".k{display:none}", "<p class=k>a</p><p class=k style='display:block'>b</p>"},
		"not overruled":        {".k{display:none!important}", "<p class=k style='display:block'>a</p>b"},
		"overruled by a rule":  {".k{opacity:0}.l{opacity:1}", "<p class=k>a</p><p class='k l'>b</p>"},
	} {
		p := page("<style>" + c.sheet + "</style>" + c.html)
		if got := strings.Trim(string(p.Hidden), "\n"); got != strings.Repeat("a", strings.Count(c.html, ">a<")) || strings.Contains(string(p.Text), "a") {
			t.Errorf("%s: text %q, hidden %q", name, p.Text, p.Hidden)
		}
	}
}

// TestRulesForOthersHideNothing: readers of these see all.
func TestRulesForOthersHideNothing(t *testing.T) {
	for _, sheet := range []string{
		"[data-ogsc] .k{display:none}", "u + .body .k{display:none}", ".other .k{display:none}", ".k:hover{display:none}", ".k::before{display:none}",
		"@media (max-width:600px){.k{display:none}}", "@media print{.k{display:none}}", "@media (prefers-color-scheme:dark){.k{display:none}}",
		"b + .k{display:none}", "b ~ .k{display:none}", "p + .k{display:none}", "div ~ .k{display:none}", "div + div .k{display:none}", "a + b + .k{display:none}", "style + .k{display:none}", ".k:nth-child(2){display:none}", ".k:nth-child(2n){display:none}", ".k:last-child{display:none}", "@supports (x:y){.k{display:none}}", "@supports (display:grid) and (x:y){.k{display:none}}",
		"@media not screen{.k{display:none}}", "@media tv, (min-width:99999px){.k{display:none}}", "@media screen and (hover:none){.k{display:none}}", "[owa] .k{display:none}", "#outlook p{display:none}", "@supports not (display:grid){.k{display:none}}", "p[class=other]{display:none}",
	} {
		p := page("<style>" + sheet + "</style><div><p class=k>a</p></div>")
		if string(p.Text) != "a" {
			t.Errorf("%s: text %q, hidden %q", sheet, p.Text, p.Hidden)
		}
	}
}
