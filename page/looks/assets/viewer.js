// The viewer: the original and the protected photo on top of each other, at any size.
//
// gradio renders the template anew with each value, so elements are looked up when they are needed,
// and events are listened to at the component's root. Sizes are in pixels of the photo; a zoom of 1
// shows one of them as one pixel of the screen.
const MOST_ZOOM = 8;
const find = (selector) => element.querySelector(selector);
const ratio = () => window.devicePixelRatio || 1;
const state = { view: "compare", zoom: "fit", split: 0.5, layer: "blurred", marked: false };
let photo = null;

const stage = () => find(".stage");
const fitZoom = () => {
  const width = (stage().clientWidth * ratio()) / photo.width;
  const height = (stage().clientHeight * ratio()) / photo.height;
  return Math.min(width, height, MOST_ZOOM);
};
const zoom = () => (state.zoom === "fit" ? fitZoom() : state.zoom);

function load(selector, address) {
  const image = find(selector);
  if (image && address && image.getAttribute("src") !== address) image.setAttribute("src", address);
}

function layOut() {
  if (!photo || !stage() || !stage().clientWidth) return;
  const scale = zoom();
  const canvas = find(".canvas");
  canvas.style.width = `${(photo.width * scale) / ratio()}px`;
  canvas.style.height = `${(photo.height * scale) / ratio()}px`;
  const fit = fitZoom();
  canvas.style.marginTop = `${Math.max(0, (stage().clientHeight - canvas.offsetHeight) / 2)}px`;
  canvas.classList.toggle("sharp", scale >= 1 && scale > fit);
  // The small copies do for what is shown smaller than they are.
  const isSmall = scale * Math.max(photo.width, photo.height) <= photo.preview_side;
  load(".before", isSmall ? photo.before_preview : photo.before);
  load(".after", isSmall ? photo.after_preview : photo.after);
  layOutSplit();
}

function layOutSplit() {
  const canvas = find(".canvas");
  const shown = Math.min(canvas.offsetWidth, stage().clientWidth);
  const at = stage().scrollLeft + state.split * shown;
  const share = Math.min(1, Math.max(0, at / canvas.offsetWidth));
  const isCompared = state.view === "compare";
  find(".after").style.clipPath = isCompared ? `inset(0 0 0 ${100 * share}%)` : "";
  find(".handle").style.left = `${100 * share}%`;
}

function caption() {
  const words = {
    compare:
      `${Math.round(100 * zoom())}% of the photo's ${photo.width} × ${photo.height} pixels.` +
      (state.marked ? " In the ring, the change is strongest: hold for the original." : ""),
    difference:
      `What changed, made ${gain()} times as strong: white is a change of ` +
      `${Math.ceil(255 / gain())} of 255 levels or more, black is none.`,
    where: state.layer === "map" ? photo.map_caption : photo.blurred_caption,
  };
  find(".caption").textContent = words[state.view];
}

const gain = () => Number(find(".gain select").value);

function press(name, value) {
  for (const button of element.querySelectorAll(`button[data-${name}]`)) {
    button.setAttribute("aria-pressed", String(button.dataset[name] === String(value)));
  }
}

function show() {
  const viewer = find(".viewer");
  if (!viewer) return;
  viewer.hidden = !photo;
  if (!photo) return;
  viewer.dataset.view = state.view;
  viewer.style.setProperty("--gain", gain());
  press("view", state.view);
  press("zoom", state.zoom);
  press("layer", state.layer);
  find(".split input").value = String(100 * state.split);
  load(".where", state.layer === "map" ? photo.map : photo.blurred);
  find("[data-do=strongest]").disabled = !photo.strongest;
  const mark = find(".mark");
  if (photo.strongest) {
    mark.style.left = `${(100 * (photo.strongest[0] + 0.5)) / photo.width}%`;
    mark.style.top = `${(100 * (photo.strongest[1] + 0.5)) / photo.height}%`;
  }
  find(".canvas").classList.toggle("marked", state.marked && Boolean(photo.strongest));
  layOut();
  caption();
}

// Zoom so that a place of the photo stays where it is, or comes to the middle.
function zoomTo(value, place = null, screen = null) {
  const box = stage();
  const old = zoom();
  const at = screen || [box.clientWidth / 2, box.clientHeight / 2];
  const canvas = find(".canvas");
  const middle = place || [
    ((box.scrollLeft + at[0] - canvas.offsetLeft) * ratio()) / old,
    ((box.scrollTop + at[1] - canvas.offsetTop) * ratio()) / old,
  ];
  state.zoom = value === "fit" ? "fit" : Math.min(MOST_ZOOM, Math.max(fitZoom(), value));
  show();
  box.scrollLeft = canvas.offsetLeft + (middle[0] * zoom()) / ratio() - at[0];
  box.scrollTop = canvas.offsetTop + (middle[1] * zoom()) / ratio() - at[1];
  layOutSplit();
}

function hold(isHeld) {
  find(".viewer").classList.toggle("held", isHeld);
  find("[data-do=hold]").setAttribute("aria-pressed", String(isHeld));
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || !photo) return;
  if (button.dataset.view) {
    state.view = button.dataset.view;
    show();
  } else if (button.dataset.layer) {
    state.layer = button.dataset.layer;
    show();
  } else if (button.dataset.zoom) {
    state.marked = false;
    zoomTo(button.dataset.zoom === "fit" ? "fit" : Number(button.dataset.zoom));
  } else if (button.dataset.do === "strongest") {
    // All of it protected, so that no line lies over the place; the original is one press away.
    Object.assign(state, { marked: true, view: "compare", split: 0 });
    const value = state.zoom !== "fit" && state.zoom >= 1 ? state.zoom : 4;
    zoomTo(value, [photo.strongest[0] + 0.5, photo.strongest[1] + 0.5]);
  }
});

element.addEventListener("input", (event) => {
  if (!photo) return;
  if (event.target.type === "range") {
    state.split = Number(event.target.value) / 100;
    layOutSplit();
  } else {
    show();
  }
});

// Hold a button, or a key, to see the original.
element.addEventListener("pointerdown", (event) => {
  if (photo && event.target.closest("[data-do=hold]")) hold(true);
});
for (const kind of ["pointerup", "pointercancel"]) {
  window.addEventListener(kind, () => find(".viewer.held") && hold(false));
}
element.addEventListener("keydown", (event) => {
  if (!photo || event.ctrlKey || event.metaKey || event.altKey) return;
  const isHold = event.target.closest("[data-do=hold]") && [" ", "Enter"].includes(event.key);
  const inStage = event.target.closest(".stage");
  if (isHold || (inStage && event.key === "o")) {
    event.preventDefault();
    hold(true);
  } else if (inStage && ["+", "="].includes(event.key)) {
    zoomTo(zoom() * 2);
  } else if (inStage && event.key === "-") {
    zoomTo(zoom() / 2 <= fitZoom() ? "fit" : zoom() / 2);
  } else if (inStage && event.key === "0") {
    zoomTo("fit");
  }
});
element.addEventListener("keyup", () => find(".viewer.held") && hold(false));
element.addEventListener("focusout", (event) => {
  // Of the button itself: what another control loses as it is pressed ends nothing.
  if (find(".viewer.held") && event.target.closest("[data-do=hold], .stage")) hold(false);
});

// Drag: at its whole size, the border between the two; enlarged, the photo. Two fingers enlarge.
const pointers = new Map();
let pinch = null;
element.addEventListener("pointerdown", (event) => {
  if (!photo || !event.target.closest(".stage") || event.button) return;
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
  pinch = pointers.size === 2 ? { span: span(), zoom: zoom() } : null;
  if (state.zoom === "fit" && pointers.size === 1) moveSplit(event);
});
window.addEventListener("pointermove", (event) => {
  const last = pointers.get(event.pointerId);
  if (!last || !photo) return;
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
  if (pinch && pointers.size === 2) {
    const box = stage().getBoundingClientRect();
    const [one, other] = [...pointers.values()];
    const middle = [(one[0] + other[0]) / 2 - box.left, (one[1] + other[1]) / 2 - box.top];
    zoomTo((pinch.zoom * span()) / pinch.span, null, middle);
  } else if (state.zoom === "fit") {
    moveSplit(event);
  } else if (event.pointerType === "mouse") {
    stage().scrollLeft -= event.clientX - last[0];
    stage().scrollTop -= event.clientY - last[1];
  }
});
for (const kind of ["pointerup", "pointercancel"]) {
  window.addEventListener(kind, (event) => pointers.delete(event.pointerId));
}

function span() {
  const [one, other] = [...pointers.values()];
  return Math.max(1, Math.hypot(one[0] - other[0], one[1] - other[1]));
}

function moveSplit(event) {
  if (state.view !== "compare") return;
  const box = find(".canvas").getBoundingClientRect();
  state.split = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  find(".split input").value = String(100 * state.split);
  layOutSplit();
}

// The wheel scrolls, as everywhere; with Ctrl it enlarges.
element.addEventListener(
  "wheel",
  (event) => {
    if (!photo || !event.ctrlKey || !event.target.closest(".stage")) return;
    event.preventDefault();
    const box = stage().getBoundingClientRect();
    const factor = event.deltaY < 0 ? 1.25 : 0.8;
    const value = zoom() * factor;
    const at = [event.clientX - box.left, event.clientY - box.top];
    zoomTo(value <= fitZoom() ? "fit" : value, null, at);
  },
  { passive: false },
);
element.addEventListener("scroll", () => photo && layOutSplit(), { capture: true, passive: true });
new ResizeObserver(() => photo && show()).observe(element);

function take() {
  const value = props.value;
  photo = value && value.width ? value : null;
  Object.assign(state, { view: "compare", zoom: "fit", split: 0.5, marked: false });
  show();
}
watch("value", take);
take();
