//! Ways of writing a URL that leads elsewhere and looks as if it did not: what a forged callback can claim to be the
//! facemap's address. The tests of the guard, of the Jumio client and of the whole program share this list.

#![expect(
    clippy::many_single_char_names,
    reason = "scheme, authority, host, thief and path: one line each, that the forms can be read"
)]

/// Where the credentials may go, and where somebody would like to have them.
pub(crate) struct Stage<'a> {
    /// `scheme://host[:port]`, the only origin that may be called.
    pub(crate) own: &'a str,
    /// `host:port` of whoever lies in wait: an IPv4 address of this machine.
    pub(crate) thief: &'a str,
    /// The path of a facemap, as Jumio would name it.
    pub(crate) path: &'a str,
}

/// Every form, none twice. Not one of them is a URL of the own origin.
pub(crate) fn urls(stage: &Stage<'_>) -> Vec<String> {
    let mut all: Vec<String> = [
        user_info(stage),
        other_names(stage),
        dots(stage),
        foreign_letters(stage),
        addresses(stage),
        ports(stage),
        slashes(stage),
        unseen_characters(stage),
        percent(stage),
        fragments(stage),
        schemes(stage),
        two_in_one(stage),
    ]
    .concat();
    let mut seen = std::collections::HashSet::new();
    all.retain(|url| seen.insert(url.clone()));
    all
}

/// Scheme, host with port, and host of the own origin.
fn parts<'a>(stage: &Stage<'a>) -> (&'a str, &'a str, &'a str) {
    let (scheme, authority) = stage.own.split_once("://").unwrap();
    (scheme, authority, authority.split_once(':').map_or(authority, |(host, _port)| host))
}

fn thiefs_port<'a>(stage: &Stage<'a>) -> &'a str {
    stage.thief.rsplit_once(':').unwrap().1
}

fn user_info(stage: &Stage<'_>) -> Vec<String> {
    let ((s, a, h), t, p) = (parts(stage), stage.thief, stage.path);
    let before =
        ["", ":x", ";", "&", "%20", "%00", "%09", "%0a", "%2f", "%23", "%3f", "%5c", ":80", "'", "="];
    let mut urls: Vec<String> = before.iter().map(|odd| format!("{s}://{a}{odd}@{t}{p}")).collect();
    urls.extend([
        format!("{s}://{h}@{t}{p}"),
        format!("{s}://{h}:secret@{t}{p}"),
        format!("{s}://user@{a}{p}"),
        format!("{s}://user:secret@{a}{p}"),
        format!("{s}://@{a}{p}"),
        format!("{s}://:@{a}{p}"),
        format!("{s}://{t}@{a}{p}"),
        format!("{s}://{t}:x@{a}{p}"),
        format!("{s}://{a}@{t}@{a}{p}"),
        format!("{s}://{t}@{a}@{t}{p}"),
        format!("{s}://{a}%40{t}{p}"),
        format!("{s}://{t}%40{a}{p}"),
    ]);
    urls
}

fn other_names(stage: &Stage<'_>) -> Vec<String> {
    let ((s, a, h), t, p) = (parts(stage), stage.thief, stage.path);
    let odd = "$ ! ' ( ) * + , ; = & _ ~ - [ ] | ^ { }";
    let mut urls: Vec<String> = odd.split(' ').map(|odd| format!("{s}://{a}{odd}{p}")).collect();
    for host in [
        format!("{h}.evil.example"),
        format!("{a}.evil.example"),
        format!("{h}.{t}"),
        format!("{h}evil.example"),
        format!("{h}-evil.example"),
        format!("{h},evil.example"),
        format!("evil{h}"),
        format!("evil-{h}"),
        format!("evil_{a}"),
        format!("www.{a}"),
        format!("{h}.com"),
        format!("com.{h}"),
        format!("evil.example/{a}"),
        format!("evil.example?{a}"),
        format!("evil.example/?{a}"),
        format!("evil.example;{a}"),
        format!("evil.example&{a}"),
        format!("{t}/{}", stage.own),
        format!("{t}?{}", stage.own),
        t.to_owned(),
    ] {
        urls.push(format!("{s}://{host}{p}"));
    }
    urls
}

fn dots(stage: &Stage<'_>) -> Vec<String> {
    let ((s, a, h), p) = (parts(stage), stage.path);
    let port = &a[h.len()..];
    let mut urls = vec![
        format!("{s}://{h}.{port}{p}"),
        format!("{s}://{h}..{port}{p}"),
        format!("{s}://.{a}{p}"),
        format!("{s}://..{a}{p}"),
        format!("{s}://{a}.{p}"),
        format!("{s}://{h}.local{port}{p}"),
        format!("{s}://{}{port}{p}", h.replacen('.', "..", 1)),
    ];
    for dot in
        ["\u{3002}", "\u{ff0e}", "\u{ff61}", "\u{2024}", "%2e", "%2E", "%E3%80%82", "%ef%bc%8e", "%252e"]
    {
        urls.push(format!("{s}://{}{port}{p}", h.replacen('.', dot, 1)));
        urls.push(format!("{s}://{h}{dot}{port}{p}"));
    }
    urls
}

fn foreign_letters(stage: &Stage<'_>) -> Vec<String> {
    let ((s, a, _), p) = (parts(stage), stage.path);
    let first = a.chars().next().unwrap();
    let wide = char::from_u32(u32::from(first) + 0xfee0).unwrap();
    let mut urls = vec![
        format!("{s}://{wide}{}{p}", &a[1..]),
        format!("{s}://xn--{a}{p}"),
        format!("{s}://{a}.xn--evil-9za.example{p}"),
    ];
    // Soft hyphen, joiners, marks that are not seen, a combining accent.
    for unseen in [
        '\u{ad}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{202e}', '\u{301}',
        '\u{180e}',
    ] {
        urls.push(format!("{s}://{first}{unseen}{}{p}", &a[1..]));
    }
    for name in [
        "netv\u{435}rify.com",
        "n\u{435}tverify.com",
        "netverify.c\u{43e}m",
        "\u{24dd}etverify.com",
        "netver\u{131}fy.com",
        "netver\u{456}fy.com",
        "nets\u{17f}erify.com",
        "xn--netvrify-5xf.com",
        "xn--80ak6aa92e.com",
        "XN--NETVRIFY-5XF.COM",
        "netverify.com\u{2044}evil.example",
        "netverify.com\u{ff0f}evil.example",
        "netverify.com\u{ff03}evil.example",
        "netverify.com\u{ff20}evil.example",
        "netverify.com\u{2100}evil.example",
    ] {
        urls.push(format!("{s}://{name}{p}"));
    }
    urls
}

fn addresses(stage: &Stage<'_>) -> Vec<String> {
    let ((s, a, h), p) = (parts(stage), stage.path);
    let thiefs = thiefs_port(stage);
    let ours = &a[h.len()..];
    let mut urls = Vec::new();
    // The thief's own address, 127.0.0.2, in every spelling.
    let spelled = "2130706434 0x7f000002 0X7F000002 017700000002 0x7f.0.0.2 0x7f.0x0.0x0.0x2 0177.0.0.2 0177.00.00.02 \
        127.2 127.0.2 0x7f.2 0177.2 127.0.0.0x2 127.0.0.02 0000127.0.0.2 4294967296 6425673730 127.0.0.258 383.0.0.2 \
        [::ffff:127.0.0.2] [::ffff:7f00:2] [0:0:0:0:0:ffff:7f00:2] [::FFFF:7F00:0002] [::127.0.0.2] \
        [64:ff9b::127.0.0.2] [64:ff9b::7f00:2] [2002:7f00:2::] [::1] [::] [::1%25lo] [fe80::1%25eth0] [fd00:ec2::254] \
        [::ffff:0:127.0.0.2] [2001:0:0:0:0:0:80ff:fffd] 0 0.0.0.0 localhost LOCALHOST localhost. \
        localhost.localdomain ip6-localhost 127.0.0.2.nip.io \u{2460}\u{2461}\u{2466}.0.0.2 \
        \u{ff11}\u{ff12}\u{ff17}.0.0.2 127\u{3002}0\u{3002}0\u{3002}2";
    urls.extend(spelled.split(' ').map(|host| format!("{s}://{host}:{thiefs}{p}")));
    let inside = "169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376 metadata.google.internal 10.0.0.1 192.168.0.1 \
        172.16.0.1 100.64.0.1 255.255.255.255 224.0.0.1";
    urls.extend(inside.split(' ').map(|host| format!("{s}://{host}{p}")));
    // This machine, where the own origin may be, too: but not so written.
    let near = "127.1 2130706433 0x7f000001 0177.0.0.1 [::ffff:127.0.0.1] 127.0.0.01 127.0.0.1.";
    urls.extend(near.split(' ').map(|host| format!("{s}://{host}{ours}{p}")));
    urls
}

fn ports(stage: &Stage<'_>) -> Vec<String> {
    let ((s, a, h), p) = (parts(stage), stage.path);
    let odd = "0 1 22 65535 65536 -1 +80 0x50 80a %38%30 0443 443443 443:443 99999999999 \u{ff18}\u{ff10} 80.evil.example \
        80@evil.example";
    let mut urls: Vec<String> = odd.split(' ').map(|port| format!("{s}://{h}:{port}{p}")).collect();
    urls.extend([
        format!("{s}://{h}:{}{p}", thiefs_port(stage)),
        format!("{s}://{h}:{p}"),
        format!("{s}://{a}:{p}"),
        format!("{s}://{a}:{}{p}", thiefs_port(stage)),
        format!("{s}://{a} :80{p}"),
    ]);
    urls
}

fn slashes(stage: &Stage<'_>) -> Vec<String> {
    let ((s, a, _), t, p) = (parts(stage), stage.thief, stage.path);
    vec![
        format!("{s}:\\\\{a}{p}"),
        format!("{s}:/\\{a}{p}"),
        format!("{s}:\\/{a}{p}"),
        format!("{s}://\\{a}{p}"),
        format!("{s}://{a}\\{p}"),
        format!("{s}://{a}\\@{t}{p}"),
        format!("{s}://{t}\\@{a}{p}"),
        format!("{s}://{a}\\.evil.example{p}"),
        format!("{s}://{a}{p}\\..\\x"),
        format!("\\\\{a}{p}"),
        format!("\\\\{t}\\share"),
        format!("{s}:{a}{p}"),
        format!("{s}:/{a}{p}"),
        format!("{s}:///{a}{p}"),
        format!("{s}:////{a}{p}"),
        format!("{s}:///{t}{p}"),
        format!("{s}:{t}{p}"),
        format!("{s}:/{t}{p}"),
        format!("//{a}{p}"),
        format!("//{t}{p}"),
        format!("///{t}{p}"),
        format!("{a}{p}"),
        format!("{t}{p}"),
        p.to_owned(),
    ]
}

fn unseen_characters(stage: &Stage<'_>) -> Vec<String> {
    let ((s, a, _), t, p) = (parts(stage), stage.thief, stage.path);
    let mut urls = Vec::new();
    for unseen in [
        ' ', '\t', '\n', '\r', '\0', '\u{1}', '\u{b}', '\u{c}', '\u{1f}', '\u{7f}', '\u{85}', '\u{a0}',
        '\u{2028}', '\u{3000}',
    ] {
        urls.extend([
            format!("{unseen}{s}://{a}{p}"),
            format!("{s}{unseen}://{a}{p}"),
            format!("{s}://{unseen}{a}{p}"),
            format!("{s}://{a}{unseen}{p}"),
            format!("{s}://{a}{unseen}.evil.example{p}"),
            format!("{s}://{a}{unseen}@{t}{p}"),
            format!("{s}://{a}{p}{unseen}"),
        ]);
    }
    urls.push(format!("{s}://{a}{p} HTTP/1.1\r\nHost: {t}\r\n\r\n"));
    urls.push(format!("{s}://{a}\r\nHost: {t}{p}"));
    for quote in ['"', '<', '>', '`'] {
        urls.push(format!("{s}://{a}{p}{quote}"));
        urls.push(format!("{quote}{s}://{a}{p}{quote}"));
    }
    urls
}

fn percent(stage: &Stage<'_>) -> Vec<String> {
    let ((s, a, h), t, p) = (parts(stage), stage.thief, stage.path);
    let mut urls = vec![
        format!("{s}:%2f%2f{a}{p}"),
        format!("{s}%3a//{a}{p}"),
        format!("{s}%3A%2F%2F{a}%2F"),
        format!("{s}://%{:02x}{}{p}", a.as_bytes()[0], &a[1..]),
        format!("{s}://%25{:02x}{}{p}", a.as_bytes()[0], &a[1..]),
        format!("{s}://{h}%3a80{p}"),
        format!("{s}://%{p}"),
        format!("{s}://%%{a}{p}"),
    ];
    for code in [
        "%2f",
        "%00",
        "%0d%0a",
        "%09",
        "%20",
        "%23",
        "%3f",
        "%5c",
        "%25",
        "%c0%ae",
        "%E3%80%82evil",
        "%u002f",
    ] {
        urls.push(format!("{s}://{a}{code}{p}"));
        urls.push(format!("{s}://{a}{code}{t}{p}"));
    }
    urls
}

fn fragments(stage: &Stage<'_>) -> Vec<String> {
    let ((s, a, _), t, p) = (parts(stage), stage.thief, stage.path);
    vec![
        format!("{s}://{a}{p}#"),
        format!("{s}://{a}{p}#x"),
        format!("{s}://{a}#@{t}{p}"),
        format!("{s}://{a}?#@{t}{p}"),
        format!("{s}://{t}#{}", stage.own),
        format!("{s}://{t}{p}#@{a}"),
        format!("{s}://{t}?#{a}{p}"),
        format!("#{s}://{a}{p}"),
    ]
}

fn schemes(stage: &Stage<'_>) -> Vec<String> {
    let ((s, a, _), t, p) = (parts(stage), stage.thief, stage.path);
    let other = if s == "http" { "https" } else { "http" };
    let others =
        "ftp ftps file gopher dict ldap tftp smb ws wss h2c unix httpx xhttp http+unix git+https HTTPSS";
    let mut urls: Vec<String> =
        others.split(' ').chain([other]).map(|scheme| format!("{scheme}://{a}{p}")).collect();
    let own = stage.own;
    urls.extend([
        String::new(),
        s.to_owned(),
        format!("{s}:"),
        format!("{s}://"),
        format!("{s}://{p}"),
        format!("://{a}{p}"),
        format!(":{own}{p}"),
        format!("{s}::{own}{p}"),
        format!("{s}:{own}{p}"),
        format!("{s}://{own}{p}"),
        format!("url:{own}{p}"),
        format!("blob:{own}{p}"),
        format!("jar:{own}!{p}"),
        format!("view-source:{own}{p}"),
        format!("javascript:fetch('{own}')"),
        format!("data:text/plain,{own}"),
        "file:///etc/passwd".to_owned(),
        format!("file://{t}{p}"),
        format!("{s}://[{a}]{p}"),
        format!("{s}://[{a}{p}"),
        format!("{s}://{a}]{p}"),
    ]);
    urls
}

fn two_in_one(stage: &Stage<'_>) -> Vec<String> {
    let ((s, a, _), t, p) = (parts(stage), stage.thief, stage.path);
    let mut urls = Vec::new();
    for between in [",", ";", "|", " ", "\t", "\n", "\r\n", "\0", "&", "@"] {
        urls.push(format!("{s}://{a}{between}{s}://{t}{p}"));
        urls.push(format!("{s}://{t}{between}{s}://{a}{p}"));
    }
    urls.push(format!("{s}://{a}{p}{}", "a".repeat(5000)));
    urls
}
