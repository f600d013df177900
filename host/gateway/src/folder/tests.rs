#![allow(clippy::unwrap_used)]
use super::*;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A folder, and a clock that is moved by hand.
struct Desk {
    home: tempfile::TempDir,
    folder: Folder,
    now: Instant,
}

impl Desk {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("plugins")).unwrap();
        let folder = Folder::new(home.path().join("plugins"), 1_000);
        let mut desk = Desk {
            home,
            folder,
            now: Instant::now(),
        };
        desk.look(0);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("plugins").join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    /// A file that appears whole, as `mv` leaves it.
    fn rename_in(&self, name: &str, content: &str) {
        let outside = self.home.path().join("outside");
        fs::write(&outside, content).unwrap();
        fs::rename(outside, self.path(name)).unwrap();
    }

    fn look(&mut self, later_ms: u64) -> Look {
        self.now += Duration::from_millis(later_ms);
        self.folder.look(self.now)
    }

    /// Looks until a file's content is handed out, as often as the folder asks for it.
    fn candidates(&mut self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for _ in 0..20 {
            let look = self.folder.look(self.now);
            all.extend(shown(&look));
            for candidate in look.candidates {
                self.folder.admitted(&candidate.file, candidate.sha256);
            }
            match look.again_in {
                Some(wait) => self.now += wait,
                None => break,
            }
        }
        all
    }

    fn refuse(&mut self, candidate: &Candidate) {
        let refused = Refused {
            sha256: Some(candidate.sha256),
            stage: "format".into(),
            reason: "the file is damaged".into(),
        };
        self.folder
            .refused(&candidate.file, refused, true, self.now);
    }

    fn standing(&self, file: &str) -> Standing {
        let found = self.folder.standings().find(|(name, _)| *name == file);
        found.unwrap_or_else(|| panic!("{file} is known")).1
    }
}

fn shown(look: &Look) -> Vec<(String, String)> {
    let text = |candidate: &Candidate| String::from_utf8(candidate.bytes.to_vec()).unwrap();
    look.candidates
        .iter()
        .map(|c| (c.file.clone(), text(c)))
        .collect()
}

fn pair(file: &str, content: &str) -> (String, String) {
    (file.into(), content.into())
}

#[test]
fn a_renamed_file_is_handed_out_at_the_first_look_and_once() {
    let mut desk = Desk::new();
    desk.rename_in("a.wasm", "one");
    let look = desk.look(0);
    assert_eq!(shown(&look), [pair("a.wasm", "one")]);
    desk.folder.admitted("a.wasm", look.candidates[0].sha256);
    assert_eq!(desk.candidates(), []);
    assert!(matches!(desk.standing("a.wasm"), Standing::Admitted { .. }));
}

/// P-29
#[test]
fn the_hash_is_of_the_very_bytes_handed_out() {
    let mut desk = Desk::new();
    desk.rename_in("a.wasm", "one");
    let look = desk.look(0);
    desk.rename_in("a.wasm", "two");
    let candidate = &look.candidates[0];
    let sha: Sha = Sha256::digest(&candidate.bytes).into();
    assert_eq!((sha, &candidate.bytes[..]), (candidate.sha256, &b"one"[..]));
    desk.folder.admitted("a.wasm", candidate.sha256);
    assert_eq!(
        desk.candidates(),
        [pair("a.wasm", "two")],
        "and the next one is seen"
    );
}

#[test]
fn a_slow_copy_is_pending_until_it_is_whole() {
    let mut desk = Desk::new();
    let mut content = String::new();
    for piece in ["half ", "of ", "it ", "and the rest"] {
        content.push_str(piece);
        desk.write("a.wasm", &content);
        for candidate in desk.look(1_000).candidates {
            desk.refuse(&candidate);
        }
        assert!(
            matches!(desk.standing("a.wasm"), Standing::Pending { .. }),
            "after `{content}`"
        );
    }
    let mut last = None;
    for _ in 0..20 {
        let look = desk.folder.look(desk.now);
        last = shown(&look).pop().or(last);
        let Some(wait) = look.again_in else { break };
        desk.now += wait;
    }
    assert!(
        last.is_none_or(|(_, text)| text == content),
        "nothing older than the whole comes last"
    );
    // What was refused as the whole stays refused, now for good.
    assert!(matches!(desk.standing("a.wasm"), Standing::Refused(_)));
}

#[test]
fn a_file_that_changes_all_the_time_is_read_less_and_less() {
    let mut desk = Desk::new();
    let mut read = 0;
    for n in 0..600 {
        desk.write("a.wasm", &"x".repeat(n));
        for candidate in desk.look(100).candidates {
            read += 1;
            desk.refuse(&candidate);
        }
    }
    assert!((5..25).contains(&read), "{read} readings in a minute");
    desk.write("a.wasm", "whole");
    let wait = desk.look(0).again_in.unwrap();
    assert!(wait <= BACK_OFF.1, "{wait:?}");
}

#[test]
fn a_bad_file_is_judged_once_however_often_it_is_copied_in() {
    let mut desk = Desk::new();
    desk.rename_in("a.wasm", "bad");
    let look = desk.look(0);
    desk.refuse(&look.candidates[0]);
    for _ in 0..5 {
        desk.rename_in("a.wasm", "bad");
        assert_eq!(desk.candidates(), []);
    }
    desk.rename_in("b.wasm", "bad");
    assert_eq!(desk.candidates(), [], "under another name neither");
    assert!(matches!(desk.standing("b.wasm"), Standing::Refused(_)));
    desk.rename_in("a.wasm", "good");
    assert_eq!(desk.candidates(), [pair("a.wasm", "good")]);
}

#[test]
fn a_refusal_of_the_hosts_own_making_is_tried_again() {
    let mut desk = Desk::new();
    desk.rename_in("a.wasm", "one");
    let look = desk.look(0);
    let refused = Refused {
        sha256: Some(look.candidates[0].sha256),
        stage: "host".into(),
        reason: "the worker was ended".into(),
    };
    desk.folder.refused("a.wasm", refused, false, desk.now);
    let again = desk.look(0).again_in.unwrap();
    assert!(again >= BACK_OFF.0);
    assert_eq!(
        shown(&desk.look(again.as_millis() as u64)),
        [pair("a.wasm", "one")]
    );
}

#[test]
fn a_file_rewritten_in_place_with_the_same_length_is_seen() {
    let mut desk = Desk::new();
    desk.write("a.wasm", "one");
    assert_eq!(shown(&desk.look(0)), [pair("a.wasm", "one")]);
    desk.write("a.wasm", "two");
    assert_eq!(desk.candidates(), [pair("a.wasm", "two")]);
}

#[test]
fn a_truncated_file_is_another_file() {
    let mut desk = Desk::new();
    desk.write("a.wasm", "whole");
    let look = desk.look(0);
    desk.folder.admitted("a.wasm", look.candidates[0].sha256);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(desk.path("a.wasm"))
        .unwrap();
    file.set_len(3).unwrap();
    assert_eq!(desk.candidates(), [pair("a.wasm", "who")]);
}

#[test]
fn a_touched_file_is_not_another_file() {
    let mut desk = Desk::new();
    desk.write("a.wasm", "one");
    let look = desk.look(0);
    desk.folder.admitted("a.wasm", look.candidates[0].sha256);
    desk.write("a.wasm", "one");
    assert_eq!(desk.candidates(), []);
    assert!(matches!(desk.standing("a.wasm"), Standing::Admitted { .. }));
}

#[test]
fn removal_waits_for_two_seconds() {
    let mut desk = Desk::new();
    desk.rename_in("a.wasm", "one");
    let look = desk.look(0);
    desk.folder.admitted("a.wasm", look.candidates[0].sha256);
    fs::remove_file(desk.path("a.wasm")).unwrap();
    let look = desk.look(10_000);
    assert_eq!(look.removed, Vec::<String>::new());
    assert_eq!(look.again_in, Some(REMOVAL_WAIT));
    assert_eq!(desk.standing("a.wasm"), Standing::Gone);
    assert_eq!(desk.look(1_999).removed, Vec::<String>::new());
    assert_eq!(desk.look(1).removed, ["a.wasm"]);
    assert_eq!(desk.folder.standings().count(), 0);
}

#[test]
fn a_file_that_comes_back_in_time_was_never_gone() {
    let mut desk = Desk::new();
    desk.rename_in("a.wasm", "one");
    desk.look(0);
    fs::remove_file(desk.path("a.wasm")).unwrap();
    desk.look(100);
    desk.rename_in("a.wasm", "one");
    assert_eq!(shown(&desk.look(100)), [pair("a.wasm", "one")]);
    assert_eq!(desk.look(60_000).removed, Vec::<String>::new());
}

#[test]
fn the_folder_may_be_deleted_and_made_anew() {
    let mut desk = Desk::new();
    desk.rename_in("a.wasm", "one");
    let look = desk.look(0);
    desk.folder.admitted("a.wasm", look.candidates[0].sha256);
    let path = desk.home.path().join("plugins");
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(
        desk.look(60_000).removed,
        Vec::<String>::new(),
        "what serves goes on serving"
    );
    assert!(desk.folder.trouble().unwrap().contains("cannot be read"));
    fs::create_dir(&path).unwrap();
    desk.rename_in("b.wasm", "two");
    let mut seen = Vec::new();
    let mut removed = Vec::new();
    for _ in 0..10 {
        let look = desk.folder.look(desk.now);
        seen.extend(shown(&look));
        for candidate in look.candidates {
            desk.folder.admitted(&candidate.file, candidate.sha256);
        }
        removed.extend(look.removed);
        let Some(wait) = look.again_in else { break };
        desk.now += wait;
    }
    assert_eq!(
        (seen, removed),
        (vec![pair("b.wasm", "two")], vec!["a.wasm".to_owned()])
    );
    assert_eq!(desk.folder.trouble(), None);
}

/// P-28
#[test]
fn odd_names_are_refused_and_temporary_ones_ignored() {
    let long = format!("{}.wasm", "x".repeat(200));
    for (name, expected) in [
        ("a.wasm", "plugin"),
        ("A-1_b.2.WASM", "plugin"),
        (".hidden.wasm", "ignored"),
        (".wasm", "ignored"),
        ("a.wasm.tmp", "ignored"),
        ("a.wasm.part", "ignored"),
        ("a.wasm~", "ignored"),
        (".a.wasm.swp", "ignored"),
        ("a.cwasm", "ignored"),
        ("README", "ignored"),
        ("a\n.wasm", "odd"),
        ("a b.wasm", "odd"),
        ("..\\..\\etc\\x.wasm", "odd"),
        ("a..b.wasm", "odd"),
        ("\u{202e}a.wasm", "odd"),
        ("ä.wasm", "odd"),
        ("a\u{308}.wasm", "odd"),
        ("CON.wasm", "odd"),
        ("lpt1.x.wasm", "odd"),
        (&long, "odd"),
    ] {
        let judged = match judge_name(OsStr::new(name)) {
            Name::Plugin(plain) => {
                assert_eq!(plain, name);
                "plugin"
            }
            Name::Ignored => "ignored",
            Name::Odd(_) => "odd",
        };
        assert_eq!(judged, expected, "{name:?}");
    }
    assert!(matches!(
        judge_name(OsStr::from_bytes(b"\xff.wasm")),
        Name::Odd(_)
    ));
}

/// P-28
#[test]
fn links_and_what_is_no_file_are_never_opened() {
    let mut desk = Desk::new();
    fs::write(desk.home.path().join("secret"), "outside").unwrap();
    symlink(desk.home.path().join("secret"), desk.path("out.wasm")).unwrap();
    symlink("loop.wasm", desk.path("loop.wasm")).unwrap();
    symlink("nowhere", desk.path("dangling.wasm")).unwrap();
    fs::create_dir(desk.path("dir.wasm")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        desk.path("pipe.wasm"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    desk.write("open.wasm", "everybody");
    fs::set_permissions(desk.path("open.wasm"), fs::Permissions::from_mode(0o666)).unwrap();
    desk.write("hard.wasm", "linked");
    fs::hard_link(desk.path("hard.wasm"), desk.path("hard-too.wasm")).unwrap();

    let seen = desk.candidates();
    assert_eq!(
        seen,
        [pair("hard-too.wasm", "linked"), pair("hard.wasm", "linked")],
        "hard links are files"
    );
    for file in [
        "out.wasm",
        "loop.wasm",
        "dangling.wasm",
        "dir.wasm",
        "pipe.wasm",
        "open.wasm",
    ] {
        assert!(
            matches!(desk.standing(file), Standing::Refused(_)),
            "{file}"
        );
    }
}

/// P-28: between the listing and the opening the file became something else.
#[test]
fn a_link_that_takes_the_place_of_a_file_is_not_opened() {
    let desk = Desk::new();
    fs::write(desk.home.path().join("secret"), "outside").unwrap();
    symlink(desk.home.path().join("secret"), desk.path("a.wasm")).unwrap();
    let dir = &desk.folder.open.as_ref().unwrap().dir;
    assert!(read_whole(dir, "a.wasm", 1_000).is_err());
}

#[test]
fn a_link_that_flips_is_refused_on_both_sides() {
    let mut desk = Desk::new();
    for content in ["one", "two"] {
        let target = desk.home.path().join(content);
        fs::write(&target, content).unwrap();
        let _ = fs::remove_file(desk.path("a.wasm"));
        symlink(target, desk.path("a.wasm")).unwrap();
        assert_eq!(desk.candidates(), []);
        assert!(matches!(desk.standing("a.wasm"), Standing::Refused(_)));
    }
}

/// P-28
#[test]
fn a_folder_that_everybody_may_write_or_that_is_a_link_is_not_used() {
    let mut desk = Desk::new();
    desk.rename_in("a.wasm", "one");
    let path = desk.home.path().join("plugins");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(desk.candidates(), []);
    assert!(desk.folder.trouble().unwrap().contains("everybody"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(desk.candidates().len(), 1);

    let link = desk.home.path().join("link");
    symlink(&path, &link).unwrap();
    let mut linked = Folder::new(link, 1_000);
    assert!(linked.look(desk.now).candidates.is_empty());
    assert!(linked.trouble().unwrap().contains("not a directory"));
}

/// P-27: a sparse file of a gigabyte is refused by its size, unread.
#[test]
fn a_file_that_is_too_large_is_not_read() {
    let mut desk = Desk::new();
    let file = fs::File::create(desk.path("a.wasm")).unwrap();
    file.set_len(1 << 30).unwrap();
    assert_eq!(desk.look(5_000).candidates.len(), 0);
    let Standing::Refused(refused) = desk.standing("a.wasm") else {
        panic!("refused");
    };
    assert!(
        refused.reason.contains("at most 1000"),
        "{}",
        refused.reason
    );
    desk.rename_in("a.wasm", "small");
    assert_eq!(desk.candidates(), [pair("a.wasm", "small")]);
}

#[test]
fn a_file_that_cannot_be_read_any_more_is_told_once_for_each_reason() {
    let mut desk = Desk::new();
    desk.rename_in("a.wasm", "one");
    assert_eq!(desk.candidates(), [pair("a.wasm", "one")]);
    for bytes in [2_000, 3_000] {
        let file = fs::File::create(desk.path("a.wasm")).unwrap();
        file.set_len(bytes).unwrap();
        let mut told = Vec::new();
        // It is tried again all the while.
        for _ in 0..60 {
            told.extend(desk.look(1_000).unread);
        }
        let [(file, refused)] = &told[..] else {
            panic!("told {told:?}")
        };
        assert_eq!((&**file, &*refused.stage), ("a.wasm", "file"));
        assert!(refused.reason.contains(&format!("{bytes} bytes")));
    }
    desk.rename_in("a.wasm", "one");
    assert_eq!(desk.candidates(), [pair("a.wasm", "one")]);
}

#[test]
fn what_was_condemned_does_not_come_back_with_the_same_content() {
    let mut desk = Desk::new();
    desk.rename_in("a.wasm", "one");
    let sha256 = desk.look(0).candidates[0].sha256;
    desk.folder.admitted("a.wasm", sha256);
    let refused = Refused {
        sha256: Some(sha256),
        stage: "observe".into(),
        reason: "it misbehaved".into(),
    };
    desk.folder.condemn(sha256, &refused);
    assert_eq!(desk.standing("a.wasm"), Standing::Refused(refused));
    desk.rename_in("a.wasm", "one");
    assert_eq!(desk.candidates(), []);
}

#[test]
fn a_change_of_configuration_has_refused_files_judged_again() {
    let mut desk = Desk::new();
    desk.rename_in("a.wasm", "asks for much");
    let look = desk.look(0);
    desk.refuse(&look.candidates[0]);
    assert_eq!(desk.candidates(), []);
    desk.folder.reconsider();
    assert_eq!(desk.candidates(), [pair("a.wasm", "asks for much")]);
}

#[test]
fn files_that_were_there_at_the_start_are_judged_for_good_at_once() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("a.wasm"), "bad").unwrap();
    let now = Instant::now() + Duration::from_secs(60);
    let mut folder = Folder::new(home.path(), 1_000);
    let look = folder.look(now);
    let sha256 = Some(look.candidates[0].sha256);
    let refused = Refused {
        sha256,
        stage: "format".into(),
        reason: "damaged".into(),
    };
    folder.refused("a.wasm", refused.clone(), true, now);
    let standing = folder.standings().next().map(|(_, standing)| standing);
    assert_eq!(standing, Some(Standing::Refused(refused)));
}
