"""What the figures of one run say about the goals that this project has set itself."""


def goals(medians, single):
    """A line for each goal that was measured: what is asked, what was found, whether it is met."""
    lines = [["goal", "asked", "found", ""]]

    def goal(name, asked, found, met, shown):
        if found is not None:
            lines.append([name, asked, shown.format(found), "met" if met(found) else "NOT MET"])

    def cost(scenario, peer="whisk-bff", key="cpu_us"):
        row = medians.get(scenario, {}).get(peer)
        return None if row is None or row["faults"] else row[key]

    def figure(table, key):
        return single.get(table, {}).get("whisk-bff", {}).get(key)

    ratio = cost("small", key="ratio")
    goal("small GET, warm", "≤ 1.8 × nginx", ratio, lambda found: found <= 1.8, "{:.2f} ×")
    goal("store commands of a warm call", "0", cost("small", key="store_calls"), lambda f: f < 0.01, "{:.4f}")
    for peer in ("apache-oidc", "express-oidc", "oauth2-proxy", "wonderwall"):
        goal(f"cheaper than {peer}", "≥ 12 ×", over(cost("small", peer), cost("small")), lambda f: f >= 12, "{:.1f} ×")
    ratio = cost("download", key="ratio")
    goal("download of 1 MiB", "≤ 0.8 × nginx", ratio, lambda found: found <= 0.8, "{:.2f} ×")
    rows = medians.get("million", {})
    one, many = (next((cost("million", row) for row in rows if row.endswith(end)), None) for end in ("session", "turn"))
    goal("a call among a million sessions", "≤ 1.1 × one session", over(many, one), lambda f: f <= 1.1, "{:.2f} ×")
    goal("Redis, a session", "≤ 700 bytes", figure("store", "bytes each"), lambda f: f <= 700, "{} bytes")
    goal("refresh storm: redemptions", "1", figure("storm", "redemptions"), lambda f: f == 1, "{}")
    goal("refresh storm: failures", "0", figure("storm", "failures"), lambda f: f == 0, "{}")
    goal("an idle connection", "≤ 16 KiB", figure("idle", "KiB each"), lambda f: f <= 16, "{:.1f} KiB")
    goal("idle memory", "≤ 25 MiB", figure("idle", "idle MiB"), lambda f: f <= 25, "{:.1f} MiB")
    goal("start to first answer", "≤ 100 ms", figure("idle", "first answer ms"), lambda f: f <= 100, "{:.0f} ms")
    return lines


def over(part, whole):
    return part / whole if part and whole else None
