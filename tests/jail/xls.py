"""Old workbooks (xls) record by record, for what no library writes: damage, formulas with their values, Excel 95."""
import struct

EOF = (0x0A, b"")
END, FREE, FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


def records(*list_):
    return b"".join(struct.pack("<HH", id_, len(data)) + data for id_, data in list_)


def bof(kind, version=0x0600):
    return 0x0809, struct.pack("<HHHHII", version, kind, 0, 0, 0, 0)


def text(s, wide=None):
    """A Unicode text without its count."""
    wide = any(ord(c) > 255 for c in s) if wide is None else wide
    return bytes([wide]) + (s.encode("utf-16le") if wide else s.encode("latin-1"))


def cell(id_, row, col, data=b"", style=0):
    return id_, struct.pack("<HHH", row, col, style) + data


def number(row, col, v, style=0):
    return cell(0x203, row, col, struct.pack("<d", v), style)


def label(row, col, s):
    return cell(0x204, row, col, struct.pack("<H", len(s)) + text(s))


def stream(sheets, before=(), version=0x0600, sheet_bof=None):
    """Workbook stream of (name, hidden, records)."""
    for _ in range(2):      # where sheets begin is known once everything before them is there
        at, bounds = [], []
        for i, (name, hidden, _cells) in enumerate(sheets):
            raw = text(name) if version == 0x0600 else name.encode("gbk")
            n = len(name) if version == 0x0600 else len(raw)
            bounds.append((0x85, struct.pack("<IBBB", starts[i] if _ else 0, hidden, 0, n) + raw))
        out = records(bof(5, version), *before, *bounds, EOF)
        for _name, _hidden, cells in sheets:
            at.append(len(out))
            out += records(sheet_bof or bof(0x10, version), *cells, EOF)
        starts = at
    return out


def compound(streams, cutoff=4096):
    """Compound file of {name: content}: short ones lie in pieces of 64 bytes inside the root's."""
    sectors, fat, mini, mini_fat, entries = [], [], b"", [], []

    def put(data):
        if not data:
            return END
        first = len(sectors)
        parts = [data[i:i + 512].ljust(512, b"\0") for i in range(0, len(data), 512)]
        sectors.extend(parts)
        fat.extend([*range(first + 1, first + len(parts)), END])
        return first

    for name, data in streams.items():
        if len(data) < cutoff:
            first, n = len(mini) // 64, -(-len(data) // 64)
            mini += data.ljust(n * 64, b"\0")
            mini_fat += [*range(first + 1, first + n), END]
        else:
            first = put(data)
        entries.append((name, 2, first, len(data)))
    mini_start = put(struct.pack(f"<{len(mini_fat)}I", *mini_fat).ljust(-(-len(mini_fat) // 128) * 512, b"\xff"))
    entries.insert(0, ("Root Entry", 5, put(mini), len(mini)))
    raw = b""
    for name, kind, first, size in entries:
        wide = (name + "\0").encode("utf-16le")
        raw += wide.ljust(64, b"\0") + struct.pack("<HBBIII", len(wide), kind, 1, FREE, FREE, FREE) + bytes(36) + struct.pack("<IQ", first, size)
    directory = put(raw.ljust(-(-len(raw) // 512) * 512, b"\0"))
    n_fat = 1
    while n_fat * 128 < len(fat) + n_fat:
        n_fat += 1
    fat_at = len(sectors)
    fat += [FAT] * n_fat
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(n_fat * 512, b"\xff")
    header = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
              + struct.pack("<IIIIIIIIII", 0, n_fat, directory, 0, cutoff, mini_start, 1, END, 0, 0)[:36])
    header += struct.pack(f"<{n_fat}I", *range(fat_at, fat_at + n_fat)).ljust(436, b"\xff")
    return header + b"".join(sectors) + table


def workbook(*sheets, before=(), streams=None, version=0x0600, **kw):
    name = "Workbook" if version == 0x0600 else "Book"
    return compound({name: stream(sheets, before, version), **(streams or {})}, **kw)
