// What the page adds to gradio's own script, in the browser.
(() => {
  // Files whose kind the browser does not know (no suffix, .heics, ...): gradio would refuse them
  // by their missing type, before the server could look at what is in them. They are given one; the
  // server reads the content and nothing else.
  const isTyped = (file) => file.type && file.type !== "application/octet-stream";
  const typed = (files) => {
    const transfer = new DataTransfer();
    for (const file of files) {
      const named = new File([file], file.name, { type: "image/unknown" });
      transfer.items.add(isTyped(file) ? file : named);
    }
    return transfer;
  };
  const needsType = (files) => [...files].some((file) => !isTyped(file));
  document.addEventListener("change", (event) => {
    const input = event.target;
    if (input.type === "file" && input.closest("#photo, #photos") && needsType(input.files)) {
      input.files = typed(input.files).files;
    }
  }, true);
  document.addEventListener("drop", (event) => {
    const files = event.dataTransfer ? event.dataTransfer.files : [];
    if (!files.length || !event.target.closest("#photo, #photos")) return;
    const isSeveral = files.length > 1 && event.target.closest("#photo");
    if (isSeveral) say("Only the first of these files was taken: “Many photos” takes up to 50.");
    if (needsType(files) || isSeveral) {
      const few = isSeveral ? [files[0]] : files;
      Object.defineProperty(event, "dataTransfer", { value: typed(few) });
    }
  }, true);

  // Ctrl+V anywhere on the page brings in the picture of the clipboard.
  document.addEventListener("paste", (event) => {
    if (event.target.closest("input, textarea, [contenteditable]")) return;
    const files = event.clipboardData ? [...event.clipboardData.files] : [];
    const input = document.querySelector("#photo input[type=file]");
    if (!files.length) {
      say("There is no picture in the clipboard: copy one, or choose a file.");
    } else if (!input) {
      say("Remove the photo first, then paste another one.");
    } else {
      input.files = typed(files.slice(0, 1)).files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });

  // A picture that the browser cannot show (HEIC, TIFF) is shown below by the server.
  document.addEventListener("error", (event) => {
    if (event.target.tagName === "IMG" && event.target.closest("#photo")) {
      event.target.style.visibility = "hidden";
    }
  }, true);

  function say(words) {
    const line = document.querySelector("#said");
    if (!line) return;
    line.textContent = words;
    setTimeout(() => { if (line.textContent === words) line.textContent = ""; }, 8000);
  }

  const root = document.documentElement;
  window.cvpire = {
    // The state decides which of Protect, Stop and Download a phone's bar shows.
    state(name) { root.dataset.state = name; delete root.dataset.old; },
    // After the work: to the verdict, for eyes and for screen readers.
    arrive(isAwaited = true) {
      const heading = document.querySelector("#verdict h2");
      const isMany = root.dataset.tab === "many";
      const done = isMany ? "#rows .protected" : "#verdict :is(.good, .fair)";
      root.dataset.state = document.querySelector(done) ? "done" : "idle";
      if (!heading || isMany || !isAwaited) return;
      heading.focus({ preventScroll: true });
      const box = heading.getBoundingClientRect();
      if (box.top < 0 || box.bottom > window.innerHeight * 0.7) {
        heading.scrollIntoView({ block: "start" });
      }
    },
    // One photo or many: each has its button and its results.
    tab(name) {
      root.dataset.tab = name;
      if (root.dataset.state !== "working") root.dataset.state = "idle";
    },
    // Settings that were changed after a result: it is of the settings before.
    changed() {
      if (document.querySelector("#verdict .verdict")) root.dataset.old = "yes";
    },
  };
  root.dataset.state = "idle";
  root.dataset.tab = "one";
})();
