"""Use Galaxy as a person does: ``browse.py FASTA PICTURES``; run by the interpreter beside Galaxy, which has playwright.

In a headless Chromium: logs in, uploads FASTA, runs Photophore annotate through its form, opens the report, and prints what it reads there.
GALAXY_URL, GALAXY_USER and GALAXY_PASSWORD say where. Pictures of each step go into PICTURES, also where a step fails.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

PATIENCE_MS = 120_000


def log_in(page: Page) -> None:
    """Log in by the form, and begin a new history."""
    page.goto(f"{os.environ['GALAXY_URL']}/login/start")
    page.fill("input[name=login]", os.environ["GALAXY_USER"])
    page.fill("input[name=password]", os.environ["GALAXY_PASSWORD"])
    page.press("input[name=password]", "Enter")
    page.locator("button[data-description='create new history']").click()
    expect(page.get_by_text("This history is empty")).to_be_visible()


def upload(page: Page, fasta: Path) -> None:
    """Upload a file, and wait until Galaxy has it."""
    page.get_by_text("Upload", exact=True).first.click()
    page.locator("input[type=file]").set_input_files(fasta)
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Close", exact=True).last.click()
    expect(page.locator(".content-item[data-state=ok]", has_text=fasta.name)).to_be_visible()


def annotate(page: Page) -> None:
    """Find the tool, and run it as its form stands."""
    page.get_by_placeholder("search tools").fill("photophore annotate")
    page.get_by_role("link", name="Photophore annotate").first.click()
    expect(page.locator("#tool-card-body").get_by_text("What to look for")).to_be_visible()


def run(page: Page) -> None:
    """Press the button, and wait until the report is there."""
    page.get_by_role("button", name="Run Tool").first.click()
    expect(page.locator(".content-item[data-state=ok]", has_text="report")).to_be_visible()


def read_report(page: Page) -> str:
    """Open the report in the middle of the window, and return its text."""
    page.locator(".content-item[data-state=ok]", has_text="report").locator(".display-btn").click()
    report = page.frame_locator("iframe[src*=display]")
    expect(report.get_by_role("heading", name="Photophore:")).to_be_visible()
    return report.locator("body").inner_text()


def visit(browser: Browser, fasta: Path, pictures: Path) -> str:
    """Go through all steps; a picture after each."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    try:
        log_in(page)
        upload(page, fasta)
        page.screenshot(path=pictures / "1-uploaded.png")
        annotate(page)
        page.screenshot(path=pictures / "2-form.png")
        run(page)
        page.screenshot(path=pictures / "3-done.png")
        text = read_report(page)
        page.screenshot(path=pictures / "4-report.png")
    except BaseException:
        page.screenshot(path=pictures / "failed.png")
        raise
    return text


def main() -> None:
    """Print the text of the report."""
    fasta, pictures = Path(sys.argv[1]), Path(sys.argv[2])
    pictures.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root; nothing but loopback is opened.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=arguments)
        text = visit(browser, fasta, pictures)
        browser.close()
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
