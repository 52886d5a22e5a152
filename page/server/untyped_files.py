"""Files whose kind the browser does not know: photos without a suffix, .heics and the like.

gradio's upload refuses them in the browser, by their missing type, before the server could look at
what is in them. They are given one; the server reads the content and nothing else.
"""

HEAD = """
<script>
(() => {
  const typed = (files) => {
    const transfer = new DataTransfer();
    for (const file of files) {
      const isKnown = file.type && file.type !== "application/octet-stream";
      transfer.items.add(isKnown ? file : new File([file], file.name, { type: "image/unknown" }));
    }
    return transfer;
  };
  const needsType = (files) => [...files].some(
    (file) => !file.type || file.type === "application/octet-stream");
  document.addEventListener("change", (event) => {
    const input = event.target;
    if (input.type === "file" && input.closest("#photo") && needsType(input.files)) {
      input.files = typed(input.files).files;
    }
  }, true);
  document.addEventListener("drop", (event) => {
    const files = event.dataTransfer ? event.dataTransfer.files : [];
    if (event.target.closest("#photo") && files.length && needsType(files)) {
      const transfer = typed(files);
      Object.defineProperty(event, "dataTransfer", { value: transfer });
    }
  }, true);
})();
</script>
"""
